//! What of a run is kept for the next: the journal it goes on from, and where that lies.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use inflight::{Command, Found, Journal, OpenedJournal, Options, Service, Strategy};
use inflight_connectors::{Kind, Resume, Sink};
use xxhash_rust::xxh3::xxh3_64;

use crate::error::{Error, Result};
use crate::flags::command;
use crate::flags::keep::KeepArgs;
use crate::flags::run::RunArgs;
use crate::flags::secrets::public;
use crate::job::identity::{id_of, identity, name_of};
use crate::job::opened::Opened;
use crate::job::paths::spelled_in_full;
use crate::job::settings::Earlier;
use crate::job::work::Work;
use crate::keep::state;
use crate::terminal::messages::Messages;
use crate::terminal::quantity::{count, grouped};

/// Journals of the same job that were finished, and are kept beside the one in use.
const ARCHIVED_MAX: usize = 10;

/// What is kept, decided.
#[derive(Debug, Default)]
pub(crate) enum Keep {
    #[default]
    Nothing,
    Journal {
        path: PathBuf,
        /// Whether what is finished stays finished when all of it is: the journal was named, or items are known by keys.
        goes_on: bool,
        is_fresh: bool,
        /// Whether a finished job is refused rather than done again.
        is_once: bool,
        /// The names and values that make it this job.
        job: Vec<(String, String)>,
    },
}

impl Keep {
    /// Where the journal lies, if one is kept.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Keep::Nothing => None,
            Keep::Journal { path, .. } => Some(path),
        }
    }

    /// What the flags and the input make of it.
    ///
    /// # Errors
    /// A usage error, when flags contradict each other or the input.
    pub(crate) fn new(args: &RunArgs, work: &Work) -> Result<Keep> {
        let KeepArgs {
            journal,
            no_journal,
            fresh,
            once,
            ..
        } = &args.keep;
        if *no_journal {
            return Ok(Keep::Nothing);
        }
        if !(work.input.is_replayable() || work.is_keyed && journal.is_some()) {
            if journal.is_some() {
                return Err(Error::usage(format_args!(
                    "--journal needs an input that can be read again, and {} cannot; {}, or add --key",
                    work.input,
                    work.input
                        .way_to_replay()
                        .unwrap_or("write it to a file first")
                )));
            }
            return Ok(Keep::Nothing);
        }
        let path = match journal {
            Some(path) => path.clone(),
            None => default_place(args)?,
        };
        Ok(Keep::Journal {
            path,
            goes_on: journal.is_some() || work.is_keyed,
            is_fresh: *fresh,
            is_once: *once,
            job: identity(&work.typed),
        })
    }
}

/// Where the dead letters of a journal lie.
pub(crate) fn letters_beside(journal: &Path) -> PathBuf {
    let mut path = journal.as_os_str().to_owned();
    path.push(".dead.jsonl");
    PathBuf::from(path)
}

/// Where the keys of a journal lie.
pub(crate) fn keys_beside(journal: &Path) -> PathBuf {
    let mut path = journal.as_os_str().to_owned();
    path.push(".keys");
    PathBuf::from(path)
}

/// A folder named by a hash of input and sink: the same in every working folder and for every spelling of a file.
fn default_place(args: &RunArgs) -> Result<PathBuf> {
    let path = fs::canonicalize(&args.input);
    let mut place = path.map_or_else(|_| args.input.clone().into(), PathBuf::into_os_string);
    place.push("\0");
    place.push(public(&spelled_in_full(&args.save)));
    let name = format!("{:016x}", xxh3_64(place.as_encoded_bytes()));
    let jobs = state::folder("jobs").ok_or_else(|| {
        Error::usage(
            "there is no place for the journal: set XDG_STATE_HOME or HOME, name one with --journal FILE, or add \
             --no-journal",
        )
    })?;
    let folder = jobs.join(name);
    state::create(&folder)?;
    Ok(folder.join("journal"))
}

/// A journal that the run will go on from, before it has begun.
#[derive(Debug)]
pub(crate) struct Kept {
    opened: OpenedJournal,
    /// Whether it is put aside when the run begins, and the run goes on from nothing. Not before: a run that is refused
    /// changes nothing.
    is_over: bool,
    /// When the job was finished that is done again, and what came of it.
    finished: Option<String>,
    pub(crate) path: PathBuf,
    /// As it was in the first run of the journal, however its input is typed now: services know results by it.
    job_id: u64,
    /// By what services know items: the same, unless a change of the job was accepted.
    keys_id: u64,
    job: Vec<(String, String)>,
}

/// The name under which a journal keeps [`Kept::keys_id`] where it is another than the job's.
const KEYS: &str = "keys";

impl Kept {
    /// Opens the journal, and looks whether it is that of this job and this input.
    ///
    /// # Errors
    /// When another run holds it, when it is damaged or that of another job, or cannot be read.
    pub(crate) fn open(keep: Keep, work: &Work, messages: &Messages) -> Result<Option<Kept>> {
        let Keep::Journal {
            path,
            goes_on,
            is_fresh,
            is_once,
            mut job,
        } = keep
        else {
            if !work.input.is_replayable() {
                let way = work.input.way_to_replay();
                messages.say(format_args!(
                    "this input can be read only once: a run that stops cannot be resumed{}",
                    way.map_or_else(String::new, |way| format!("; {way}"))
                ));
            }
            return Ok(None);
        };
        let opened = OpenedJournal::open(&path)?;
        let found = opened.found();
        let finished = found.filter(|found| found.is_complete && !is_fresh && !goes_on);
        let finished = finished.map(|found| finished_before(&found, &path));
        if let Some(earlier) = finished.as_ref().filter(|_| is_once) {
            return Err(Error::Finished(format!(
                "{earlier}, and --once does no job twice; nothing was sent"
            )));
        }
        let is_over = finished.is_some() || (is_fresh && opened.found().is_some());
        let mut kept = Kept {
            opened,
            is_over,
            finished,
            path,
            job_id: work.settings.job_id(),
            keys_id: work.settings.job_id(),
            job: Vec::new(),
        };
        let found = kept.found();
        let known = |name: &str| value(name, found.as_ref()?).and_then(id_of);
        kept.job_id = known("job").unwrap_or(kept.job_id);
        kept.keys_id = known(KEYS).unwrap_or(kept.job_id);
        if !work.is_keyed {
            let content = content(work, found.as_ref(), &kept.path)?;
            job.push(("content".to_owned(), content));
        }
        job.push(("job".to_owned(), name_of(kept.job_id)));
        if kept.keys_id != kept.job_id {
            job.push((KEYS.to_owned(), name_of(kept.keys_id)));
        }
        kept.job = job;
        Ok(Some(kept))
    }

    /// What the run goes on from; `None` when it begins with nothing.
    fn found(&self) -> Option<Found> {
        self.opened.found().filter(|_| !self.is_over)
    }

    /// What it knows of the file of results or responses.
    pub(crate) fn resume(&self) -> Option<Resume> {
        if self.is_over {
            return None;
        }
        Resume::of(&self.opened)
    }

    /// The number of the run, from 1.
    fn epoch_next(&self) -> u64 {
        match self.is_over {
            true => 1,
            false => self.opened.epoch_next(),
        }
    }

    /// Where the run saves; what the sink itself knows of earlier runs is believed.
    ///
    /// # Errors
    /// As [`Opened::sink_after`]; also when the sink and the journal do not fit together.
    pub(crate) fn sink(&mut self, opened: &Opened<'_>, strategy: Strategy) -> Result<Sink> {
        let earlier = Earlier {
            resume: self.resume(),
            job_id: self.job_id,
            keys_id: self.keys_id,
            epoch_next: self.epoch_next(),
            is_known: self.opened.found().is_some(),
        };
        let sink = opened.sink_after(&earlier, strategy)?;
        if self.found().is_none() {
            // Nothing is known to be saved: the sink's own account would be that of another time.
            sink.forget().map_err(Error::unfit)?;
        }
        if let Some(saved) = sink.ledger().map_err(Error::unfit)? {
            self.believe(&saved)?;
        }
        Ok(sink)
    }

    /// What of the job is other than in the last run of the journal, in words.
    pub(crate) fn changes(&self) -> Vec<String> {
        self.opened.changes(&self.job)
    }

    /// Takes the job as it is now for that of the journal. Services get new keys: to the old ones they would answer as they did
    /// before the change.
    pub(crate) fn accept_change(&mut self, work: &Work) {
        self.keys_id = work.settings.job_id();
        self.job.retain(|(name, _)| name != KEYS);
        self.job.push((KEYS.to_owned(), name_of(self.keys_id)));
        self.opened.accept(&self.job);
    }

    /// As [`OpenedJournal::believe`].
    fn believe(&mut self, saved: &[Range<u64>]) -> Result<()> {
        if !self.is_over {
            self.opened.believe(saved)?;
        }
        Ok(())
    }

    /// Begins the run: from here on the journal is that of this run.
    ///
    /// # Errors
    /// As [`OpenedJournal::start`].
    pub(crate) fn start(self) -> Result<Journal> {
        let mut opened = self.opened;
        if let Some(found) = opened.found().filter(|_| self.is_over) {
            archive(&self.path, &found)?;
            drop(opened);
            opened = OpenedJournal::open(&self.path)?;
        }
        Ok(opened.start(&self.job, command::this())?)
    }

    /// The same for a run that tries only these items again.
    ///
    /// # Errors
    /// As [`OpenedJournal::retry`].
    pub(crate) fn retry(self, dead: Vec<u64>, command: Command) -> Result<Journal> {
        Ok(self.opened.retry(&self.job, command, dead)?)
    }

    /// Says what the sink promises, what an earlier run has left, and what that means.
    pub(crate) fn tell(&self, sink: &Sink, options: &Options, messages: &Messages) {
        let repeats_max = repeats_max(sink, options);
        let kind = sink.kind();
        match repeats_max {
            0 => messages.say(kind),
            most => messages.say(format_args!(
                "{kind}; at most {most} may repeat after a crash"
            )),
        }
        if let Some(earlier) = &self.finished {
            messages.say(format_args!("{earlier}; doing all of it again"));
        }
        let Some(found) = self.found() else {
            return;
        };
        let dead = match found.dead {
            0 => String::new(),
            dead => format!(", {dead} given up"),
        };
        messages.say(format_args!(
            "resuming: {} saved before{dead}; --fresh would start over",
            count(found.saved, "item")
        ));
        if !found.is_ended && repeats_max > 0 {
            messages.say(format_args!(
                "unclean stop: at most {} may be sent twice",
                count(repeats_max, "item")
            ));
        }
    }
}

/// Records that a crash may have sent and not recorded: in flight, and answered so lately that the journal does not know.
/// None, where what is sent again makes no second result.
fn repeats_max(sink: &Sink, options: &Options) -> u64 {
    if !matches!(sink.kind(), Kind::Append | Kind::Keyed) {
        return 0;
    }
    if options.keep_order {
        return options.unreleased_max() as u64 + Journal::UNRECORDED_MAX;
    }
    let bulk = options.bulk.unwrap_or(usize::MAX).min(sink.bulk_max());
    (options.in_flight_max() * bulk) as u64 + Journal::UNRECORDED_MAX
}

/// When a job was finished, and what came of it.
fn finished_before(found: &Found, journal: &Path) -> String {
    let began = UNIX_EPOCH + Duration::from_secs(found.began.at_s);
    // Nothing is written to a journal after the end of its last run.
    let ended = fs::metadata(journal).and_then(|about| about.modified());
    let time =
        humantime::format_rfc3339_seconds(ended.unwrap_or(began).max(UNIX_EPOCH)).to_string();
    let (date, time) = (&time[..10], &time[11..16]);
    let dead = match found.dead {
        0 => String::new(),
        dead => format!(", {} given up", grouped(dead)),
    };
    format!(
        "finished {date} {time} UTC, {} saved{dead}",
        grouped(found.saved)
    )
}

/// The value of this name in what makes the job of a journal.
fn value<'a>(name: &str, found: &'a Found) -> Option<&'a str> {
    let mut pairs = found.began.job.iter();
    let pair = pairs.find(|(other, _)| other == name);
    pair.map(|(_, value)| value.as_str())
}

/// What the input holds, as far as the journal is concerned: what it held when the journal began, if it still does.
fn content(work: &Work, found: Option<&Found>, path: &Path) -> Result<String> {
    let Some(earlier) = found.and_then(|found| value("content", found)) else {
        return work.input.fingerprint().map_err(Error::usage);
    };
    match work.input.continues(earlier) {
        Ok(()) => Ok(earlier.to_owned()),
        Err(change) => Err(Error::OtherJob(format!(
            "the input is not what it was when the journal {} was written: {change}; nothing was sent; --fresh starts over",
            path.display()
        ))),
    }
}

/// What lies beside a journal, named as it is and with this end.
const BESIDE: [&str; 2] = [".dead.jsonl", ".keys"];

/// Puts a journal and what lies beside it aside, under the time at which its last run began.
fn archive(path: &Path, found: &Found) -> Result<()> {
    let with = |end: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    };
    let began = UNIX_EPOCH + Duration::from_secs(found.began.at_s);
    let time = humantime::format_rfc3339_seconds(began)
        .to_string()
        .replace(':', "-");
    let aside = format!(".{time}-{}", found.began.epoch);
    fs::rename(path, with(&aside))?;
    for beside in BESIDE.into_iter().filter(|beside| with(beside).exists()) {
        fs::rename(with(beside), with(&format!("{aside}{beside}")))?;
    }
    forget_oldest(path)
}

fn forget_oldest(path: &Path) -> Result<()> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Ok(());
    };
    let name = name.to_string_lossy();
    let folder = if folder == Path::new("") {
        Path::new(".")
    } else {
        folder
    };
    let mut aside: Vec<PathBuf> = fs::read_dir(folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let found = path.file_name().map(|name| name.to_string_lossy());
            found.is_some_and(|found| found.strip_prefix(&*name).is_some_and(is_aside))
        })
        .collect();
    aside.sort();
    for old in &aside[..aside.len().saturating_sub(ARCHIVED_MAX)] {
        fs::remove_file(old)?;
        for end in BESIDE {
            let mut beside = old.as_os_str().to_owned();
            beside.push(end);
            // Most runs have none.
            let _ = fs::remove_file(beside);
        }
    }
    Ok(())
}

/// Whether a journal that was put aside ends so, as in `.2026-01-31T23-59-59Z-7`: what else lies beside it is not ours to remove.
fn is_aside(end: &str) -> bool {
    const TIME: &[u8] = b".0000-00-00T00-00-00Z-";
    let Some((time, epoch)) = end.as_bytes().split_at_checked(TIME.len()) else {
        return false;
    };
    let mut shape = time.iter().zip(TIME);
    shape.all(|(seen, shape)| match shape {
        b'0' => seen.is_ascii_digit(),
        _ => seen == shape,
    }) && !epoch.is_empty()
        && epoch.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_files_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let aside = |n: usize| at(&format!("data.2026-01-{n:02}T00-00-00Z-{n}"));
        let foreign = [
            "data",
            "data.2026-01-01.csv",
            "data.2026-01-01T00-00-00Z-1.csv",
            "data.2",
        ];
        for name in foreign {
            fs::write(at(name), "").unwrap();
        }
        for n in 1..=ARCHIVED_MAX + 2 {
            fs::write(aside(n), "").unwrap();
        }
        forget_oldest(&at("data")).unwrap();
        assert!(foreign.iter().all(|name| at(name).exists()));
        let kept: Vec<usize> = (1..=ARCHIVED_MAX + 2)
            .filter(|n| aside(*n).exists())
            .collect();
        assert_eq!(kept, (3..=ARCHIVED_MAX + 2).collect::<Vec<_>>());
    }
}
