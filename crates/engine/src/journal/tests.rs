//! The journal against losses of power, failing disks and damage, in memory. A failure prints its seed.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::opened::OpenedJournal;
use super::*;
use crate::error::{Error, ErrorKind};
use crate::fact::{Attempt, Step};
use crate::fault::Fault;
use crate::indexes::Indexes;
use crate::simulation::{each_seed, seeds};

/// Losses of power in an ordinary run of the tests; `INFLIGHT_SEEDS` asks for more.
const SEEDS: u64 = 20_000;

type Shared = Arc<Mutex<Simulated>>;

/// What has happened to a job that is recorded on disks in memory, over all its runs.
struct World {
    journal: Shared,
    letters: Shared,
    random: fastrand::Rng,
    /// Items told to the journal, in the order in which that was done; what a crash has forgotten is taken out.
    told: Vec<Range<u64>>,
    /// How many of those had been told before the last sync that succeeded.
    durable: usize,
    next: u64,
    now: Duration,
}

impl World {
    fn new(seed: u64) -> World {
        World {
            journal: Shared::default(),
            letters: Shared::default(),
            random: fastrand::Rng::with_seed(seed),
            told: Vec::new(),
            durable: 0,
            next: 0,
            now: Duration::ZERO,
        }
    }

    fn open(&self) -> Result<OpenedJournal, Error> {
        open_simulated(&self.journal, &self.letters, &Shared::default())
    }

    /// One run, which ends by itself or not.
    fn run(&mut self, journal: &mut Journal) -> io::Result<()> {
        self.tell(journal)?;
        if self.random.bool() {
            journal.finish(self.now, false)?;
            self.durable = self.told.len();
        }
        Ok(())
    }

    /// Tells of items in a random order until some moment.
    fn tell(&mut self, journal: &mut Journal) -> io::Result<()> {
        journal.begin()?;
        for _ in 0..self.random.u32(0..40) {
            let start = self.next + self.random.u64(0..20);
            let count = self.random.u64(1..20);
            self.next += self.random.u64(0..15);
            if self.random.u8(..) < 30 {
                self.told.push(start..start + 1);
                journal.note(&dead(start));
            } else {
                self.told.push(start..start + count);
                journal.note(&saved(start..start + count));
            }
            self.now += Duration::from_millis(self.random.u64(0..80));
            journal.advance(self.now)?;
            if journal.is_synced && journal.pending.is_empty() {
                self.durable = self.told.len();
            }
        }
        Ok(())
    }

    fn lose_power(&mut self) {
        for disk in [&self.journal, &self.letters] {
            disk.lock().unwrap().lose_power(&mut self.random);
        }
    }

    /// What the journal says now lies between what was durable and what was told.
    fn check(&mut self) {
        let opened = self.open().unwrap();
        let set =
            |told: &[Range<u64>]| -> BTreeSet<u64> { told.iter().cloned().flatten().collect() };
        let found = set(&opened.finished());
        assert!(
            found.is_superset(&set(&self.told[..self.durable])),
            "something durable is lost"
        );
        assert!(found.is_subset(&set(&self.told)), "something is invented");
        if let Some(found) = opened.found() {
            let letters = String::from_utf8_lossy(&contents(&self.letters)).into_owned();
            let lines = letters.lines().filter(|line| line.ends_with('}')).count() as u64;
            assert!(lines >= found.dead, "a dead item has no letter");
        }
        self.told = opened.finished();
        self.durable = self.told.len();
    }
}

fn contents(disk: &Shared) -> Vec<u8> {
    let disk = disk.lock().unwrap();
    let mut bytes = vec![0; disk.len() as usize];
    disk.read_at(0, &mut bytes);
    bytes
}

fn saved(range: Range<u64>) -> Fact {
    Fact::Attempt(Attempt {
        step: Step::Save,
        at: Duration::ZERO,
        took: Duration::ZERO,
        waited: Duration::ZERO,
        is_again: false,
        in_flight: 1,
        records: 1,
        first: range.start,
        done: range.collect::<Indexes>(),
        mark: None,
        in_doubt: 0,
        units: 0.0,
        verdict: None,
    })
}

fn dead(index: u64) -> Fact {
    Fact::Dead {
        index,
        step: Step::Save,
        attempts: 1,
        fault: Fault::permanent("bad item"),
        key: None,
        payload: None,
    }
}

#[test]
fn a_loss_of_power_forgets_nothing_durable_and_invents_nothing() {
    each_seed("a_loss_of_power", seeds(SEEDS), lose_power);
}

/// Runs, each ended by a loss of power.
///
/// # Panics
/// When something durable is lost or something is invented.
pub(crate) fn lose_power(seed: u64) {
    let mut world = World::new(seed);
    for _ in 0..3 {
        let mut journal = world
            .open()
            .unwrap()
            .start(&[], Command::default())
            .unwrap();
        world.run(&mut journal).unwrap();
        drop(journal);
        world.lose_power();
        world.check();
    }
}

#[test]
fn a_crash_of_the_program_forgets_only_what_was_not_written() {
    each_seed("a_crash_of_the_program", 200, |seed| {
        let mut world = World::new(seed);
        for _ in 0..3 {
            let mut journal = world
                .open()
                .unwrap()
                .start(&[], Command::default())
                .unwrap();
            world.run(&mut journal).unwrap();
            if journal.pending.is_empty() {
                world.durable = world.told.len();
            }
            drop(journal);
            world.check();
        }
    });
}

#[test]
fn whichever_call_fails_nothing_durable_is_lost() {
    for seed in 0..40 {
        for failing in 1.. {
            let mut world = World::new(seed);
            for disk in [&world.journal, &world.letters] {
                disk.lock().unwrap().fails_from = Some(failing);
            }
            let ran = world
                .open()
                .and_then(|opened| opened.start(&[], Command::default()))
                .map(|mut journal| {
                    let ran = world.tell(&mut journal);
                    ran.and_then(|()| journal.finish(world.now, true))
                });
            let is_hit = !matches!(ran, Ok(Ok(())));
            for disk in [&world.journal, &world.letters] {
                let mut disk = disk.lock().unwrap();
                (disk.calls, disk.fails_from) = (0, None);
            }
            world.check();
            if !is_hit {
                break;
            }
        }
    }
}

#[test]
fn what_was_changed_on_the_disk_is_seen_or_done_again() {
    let mut seen = 0;
    for seed in 0..300 {
        let mut world = World::new(seed);
        for _ in 0..2 {
            let mut journal = world
                .open()
                .unwrap()
                .start(&[], Command::default())
                .unwrap();
            world.tell(&mut journal).unwrap();
            journal.finish(world.now, false).unwrap();
        }
        let length = world.journal.lock().unwrap().len() as usize;
        if length == 0 {
            // Nothing was told in either run.
            continue;
        }
        let at = world.random.usize(..length);
        let change = world.random.u8(1..);
        world.journal.lock().unwrap().damage(at, change);
        match world.open() {
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Damaged);
                seen += 1;
            }
            // Nothing behind it had been written after it was synced: as good as torn.
            Ok(opened) => assert!(
                opened
                    .finished()
                    .into_iter()
                    .flatten()
                    .all(|index| world.told.iter().any(|told| told.contains(&index)))
            ),
        }
    }
    assert!(seen > 100, "{seen}");
}

/// Begins a run that is killed at once.
fn begin(opened: OpenedJournal, job: &[(String, String)]) {
    let mut journal = opened.start(job, Command::default()).unwrap();
    journal.begin().unwrap();
}

#[test]
fn a_run_that_sent_nothing_leaves_no_trace() {
    let world = World::new(1);
    let bytes = || world.journal.lock().unwrap().len();
    let run = |act: fn(&mut Journal)| {
        let opened = world.open().unwrap();
        let mut journal = opened.start(&[], Command::default()).unwrap();
        let before = bytes();
        act(&mut journal);
        (before, bytes())
    };
    let start_only = run(|_| {});
    assert_eq!(start_only, (0, 0));
    let nothing_came_of_it = run(|journal| {
        journal.begin().unwrap();
        journal.finish(Duration::ZERO, false).unwrap();
    });
    assert_eq!(nothing_came_of_it, (0, 0));
    assert_eq!(world.open().unwrap().found(), None);
    let (_, something) = run(|journal| {
        journal.begin().unwrap();
        journal.note(&saved(0..3));
        journal.finish(Duration::ZERO, false).unwrap();
    });
    let later = run(|journal| {
        journal.begin().unwrap();
        journal.finish(Duration::ZERO, false).unwrap();
    });
    assert_eq!(later, (something, something));
    assert_eq!(world.open().unwrap().found().unwrap().began.epoch, 1);
}

#[test]
fn a_journal_of_another_job_is_refused_and_says_what_differs() {
    let world = World::new(1);
    let job = |compute: &str| {
        [
            ("compute".to_owned(), compute.to_owned()),
            ("sink".to_owned(), "null:".to_owned()),
        ]
    };
    begin(world.open().unwrap(), &job("sha256"));
    let error = world
        .open()
        .unwrap()
        .start(&job("bcrypt:8"), Command::default())
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OtherJob);
    assert!(
        error
            .to_string()
            .ends_with("compute was sha256, and is bcrypt:8"),
        "{error}"
    );
    let several = [job("sha256").to_vec(), job("sha256").to_vec()].concat();
    let error = world.open().unwrap();
    let error = error.start(&several, Command::default()).unwrap_err();
    let differs =
        "compute was sha256, and is sha256 and sha256; sink was null:, and is null: and null:";
    assert!(error.to_string().ends_with(differs), "{error}");
}

#[test]
fn an_empty_file_is_a_new_journal_and_any_other_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    std::fs::write(&path, "").unwrap();
    let opened = OpenedJournal::open(&path).unwrap();
    assert_eq!(opened.found(), None);
    let second = OpenedJournal::open(&path).unwrap_err();
    assert_eq!(second.kind(), ErrorKind::InUse);
    drop(opened);
    std::fs::write(&path, "one line of text\n").unwrap();
    assert_eq!(
        OpenedJournal::open(&path).unwrap_err().kind(),
        ErrorKind::Damaged
    );
    assert_eq!(
        std::fs::read_to_string(&path).unwrap(),
        "one line of text\n"
    );
    std::fs::write(&path, "short\n").unwrap();
    assert!(OpenedJournal::open(&path).is_err(), "it is somebody's");
}

#[test]
fn a_journal_that_is_cut_off_anywhere_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let opened = OpenedJournal::open(&path).unwrap();
    begin(opened, &[]);
    let whole = std::fs::read(&path).unwrap();
    let path = folder.path().join("cut");
    for length in 0..=whole.len() {
        std::fs::write(&path, &whole[..length]).unwrap();
        let opened = OpenedJournal::open(&path).unwrap();
        assert_eq!(opened.found().is_some(), length == whole.len(), "{length}");
    }
}

/// Output of a sink that stands somewhere, and is always durable.
#[derive(Debug)]
struct Output {
    stands_at: u64,
    repeats_nothing: bool,
}

impl Durable for Output {
    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn mark(&mut self) -> io::Result<Option<u64>> {
        Ok(Some(self.stands_at))
    }

    fn repeats_nothing(&self) -> bool {
        self.repeats_nothing
    }
}

#[test]
fn where_the_output_began_is_known_before_anything_is_saved() {
    let world = World::new(1);
    for stands_at in [7, 9] {
        let mut journal = world
            .open()
            .unwrap()
            .start(&[], Command::default())
            .unwrap();
        let output = Output {
            stands_at,
            repeats_nothing: false,
        };
        journal.follow(Some(Box::new(output))).unwrap();
        drop(journal);
        let mark = world.open().unwrap().found().unwrap().mark;
        assert_eq!(
            mark,
            Some(7),
            "what a run that was killed has written stands behind it"
        );
    }
}

#[test]
fn whoever_waits_for_the_journal_is_not_kept_waiting() {
    for repeats_nothing in [false, true] {
        let world = World::new(1);
        let mut journal = world
            .open()
            .unwrap()
            .start(&[], Command::default())
            .unwrap();
        let output = Output {
            stands_at: 0,
            repeats_nothing,
        };
        journal.follow(Some(Box::new(output))).unwrap();
        let horizon = journal.horizon();
        let soon = Duration::from_millis(1);
        journal.note(&saved(0..1023));
        journal.advance(soon).unwrap();
        assert!(horizon.allows(1023), "there is room for one more");
        journal.note(&saved(1023..1024));
        assert_eq!(horizon.allows(1024), repeats_nothing);
        journal.advance(soon).unwrap();
        assert!(horizon.allows(1024), "written long before it was due");
        assert_eq!(journal.pending.is_empty(), !repeats_nothing);
    }
}
