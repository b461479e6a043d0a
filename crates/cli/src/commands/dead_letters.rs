//! `inflight dead-letters`: lists the items that were given up, and tries them again.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use inflight::{Command, DeadLetter, Halt, Source};

use crate::commands::checked::CheckedRun;
use crate::commands::journal;
use crate::commands::run::{Again, run_kept};
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::flags::args::{Command as Typed, DeadLettersCommand};
use crate::flags::command::shown;
use crate::flags::layers::{self, Refused};
use crate::flags::run::RunArgs;
use crate::flags::secrets::public;
use crate::keep::journal::{Keep, Kept};
use crate::keep::state::is_own;
use crate::terminal::quantity::count;
use crate::terminal::stdout;

/// Items named for each reason; more would bury the reasons.
const NAMED_MAX: usize = 8;

/// Does what was asked.
pub(crate) fn dead_letters(command: DeadLettersCommand) -> Result<Exit> {
    match command {
        DeadLettersCommand::List { run, json } => list(&run, json),
        DeadLettersCommand::Retry {
            run,
            trust,
            accept_change,
            quiet,
            command,
        } => {
            let how = How {
                is_trusted: trust,
                accepts_change: accept_change,
                is_quiet: quiet,
            };
            retry(&run, how, command)
        }
    }
}

fn list(path: &Path, is_json: bool) -> Result<Exit> {
    let (mut opened, _) = journal::open(path)?;
    let dead: BTreeSet<u64> = opened.dead()?.into_iter().collect();
    let letters = read(path, &dead)?;
    let text = match is_json {
        true => {
            let lines: Result<Vec<String>, _> =
                letters.values().map(serde_json::to_string).collect();
            lines?.into_iter().map(|line| line + "\n").collect()
        }
        false => grouped(letters.values()),
    };
    stdout::write(&text)?;
    Ok(Exit::Success)
}

/// The letters of these items: of each the last, as an item may have been given up more than once.
fn read(journal: &Path, dead: &BTreeSet<u64>) -> Result<BTreeMap<u64, DeadLetter>> {
    let mut letters = BTreeMap::new();
    if dead.is_empty() {
        return Ok(letters);
    }
    let mut path = journal.as_os_str().to_owned();
    path.push(".dead.jsonl");
    let path = PathBuf::from(path);
    let failed = |error| Error::usage(format_args!("failed to read {}: {error}", path.display()));
    for line in BufReader::new(File::open(&path).map_err(failed)?).lines() {
        // The last line may have been cut by a crash; no journal calls its item dead then.
        let Ok(letter) = serde_json::from_str::<DeadLetter>(&line.map_err(failed)?) else {
            continue;
        };
        if dead.contains(&letter.index) {
            let index = letter.index;
            let earlier: Option<DeadLetter> = letters.insert(index, letter);
            // One whose key is not in the input any more has no key of its own.
            if let (Some(earlier), Some(letter)) = (earlier, letters.get_mut(&index)) {
                letter.key = letter.key.take().or(earlier.key);
            }
        }
    }
    Ok(letters)
}

/// One paragraph for each reason, the most frequent first.
fn grouped<'a>(letters: impl Iterator<Item = &'a DeadLetter>) -> String {
    let mut groups: BTreeMap<(&str, String), Vec<&DeadLetter>> = BTreeMap::new();
    let mut all = 0;
    for letter in letters {
        all += 1;
        let key = (letter.step.name(), without_numbers(&letter.reason));
        groups.entry(key).or_default().push(letter);
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(_, letters)| std::cmp::Reverse(letters.len()));
    let mut text = format!("{}\n", count(all, "dead letter"));
    for ((step, _), letters) in groups {
        let named: Vec<String> = letters
            .iter()
            .take(NAMED_MAX)
            .map(|letter| match &letter.key {
                Some(key) => format!("{key:?}"),
                None => letter.index.to_string(),
            })
            .collect();
        let more = match letters.len().saturating_sub(NAMED_MAX) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let first = letters[0];
        text += &format!(
            "\n{}, {step}: {}\n  item {}{more}\n",
            count(letters.len() as u64, "item"),
            first.reason,
            named.join(", ")
        );
    }
    text
}

/// Reasons that differ in numbers only, such as those of lines of a file, are one.
fn without_numbers(reason: &str) -> String {
    reason.chars().filter(|c| !c.is_ascii_digit()).collect()
}

/// How dead letters are tried again.
struct How {
    is_trusted: bool,
    accepts_change: bool,
    is_quiet: bool,
}

fn retry(path: &Path, how: How, typed: Vec<String>) -> Result<Exit> {
    let (mut opened, found) = journal::open(path)?;
    let dead = opened.dead()?;
    drop(opened);
    if dead.is_empty() {
        stdout::write("there are no dead letters to try again\n")?;
        return Ok(Exit::Success);
    }
    let path = std::path::absolute(path)?;
    let stored = &found.began.command;
    let is_stored = typed.is_empty();
    if is_stored && !how.is_trusted && !is_own(&path) {
        return Err(Error::usage(format_args!(
            "the journal {} is not in your own state directory, and says what to run: {}; add --trust to run that, or give \
             a command after --",
            path.display(),
            shown(&stored.words)
        )));
    }
    enter(stored)?;
    let mut command = stored.clone();
    let typed_words: Vec<String> = typed.iter().map(|word| public(word)).collect();
    let mut args = parsed(stored, typed)?;
    args.output.quiet |= how.is_quiet;
    let mut plan = CheckedRun::new(args)?;
    // That these items fail is known.
    plan.options.halt = plan.options.halt.filter(|halt| *halt != Halt::Most);
    if is_stored {
        let messages = &plan.show.messages;
        messages.say(format_args!("runs {}", shown(&stored.words)));
    }
    if let Keep::Journal {
        path: place,
        goes_on,
        ..
    } = &mut plan.keep
    {
        // Finished as it may be, it is gone on with.
        (*place, *goes_on) = (path, true);
    }
    let keep = std::mem::take(&mut plan.keep);
    let mut kept = Kept::open(keep, &plan.work, &plan.show.messages)?;
    if let Some(kept) = &mut kept {
        let changes = kept.changes().join("; ");
        if how.accepts_change && !changes.is_empty() {
            plan.show.messages.say(format_args!("accepted: {changes}"));
            kept.accept_change(&plan.work);
            if !is_stored {
                command.words = [vec!["inflight".to_owned()], typed_words].concat();
            }
        } else if !changes.is_empty() {
            return Err(Error::OtherJob(format!(
                "the job has changed since its last run: {changes}; nothing was sent; undo that, or add --accept-change to \
                 try {} with the change",
                count(dead.len() as u64, "dead letter")
            )));
        }
    }
    let left = match found.is_complete {
        true => 0,
        false => count_items(&plan)?.saturating_sub(found.saved + found.dead),
    };
    let again = Again {
        dead,
        left,
        command,
    };
    run_kept(plan, kept, Some(again))
}

/// How many items the input holds.
fn count_items(plan: &CheckedRun) -> Result<u64> {
    let mut items = plan.work.input.open().map_err(Error::unread)?;
    Ok(items.count_rest().unwrap_or(0))
}

/// The command of the run, or the one that was typed in its place.
fn parsed(command: &Command, typed: Vec<String>) -> Result<RunArgs> {
    let words = match typed.is_empty() {
        true => command
            .words
            .get(1..)
            .unwrap_or_default()
            .iter()
            .filter(|word| *word != "--fresh")
            .cloned()
            .collect(),
        false => typed,
    };
    let name = std::iter::once("inflight".into());
    let line: Vec<OsString> = name.chain(words.iter().map(OsString::from)).collect();
    match layers::parse(&line, &layers::variable).map(|cli| cli.command) {
        Ok(Typed::Run(args)) => Ok(*args),
        Err(Refused::Below(error)) => Err(error),
        Ok(_) | Err(Refused::Typed(_)) => Err(Error::usage(format_args!(
            "`{}` is no command that runs a job; give it after --, as in: inflight dead-letters retry FILE -- run INPUT --save SINK",
            words.join(" ")
        ))),
    }
}

/// Goes to the folder where the run was started: its command may name files from there.
fn enter(command: &Command) -> Result<()> {
    if command.folder.is_empty() {
        return Ok(());
    }
    std::env::set_current_dir(&command.folder)
        .map_err(|error| Error::usage(format_args!("failed to enter {}: {error}", command.folder)))
}

#[cfg(test)]
mod tests {
    use inflight::{Step, Verdict};

    use super::*;

    #[test]
    fn letters_of_one_reason_stand_together() {
        let letter = |index, reason: &str| DeadLetter {
            index,
            key: None,
            step: Step::Save,
            verdict: Verdict::Permanent,
            attempts: 1,
            reason: reason.to_owned(),
            time: String::new(),
            payload: None,
        };
        let mut letters: Vec<DeadLetter> = (0..10)
            .map(|index| letter(index, &format!("line {index}: no JSON")))
            .collect();
        letters.push(letter(77, "answered 400"));
        assert_eq!(
            grouped(letters.iter()),
            "11 dead letters\n\n10 items, save: line 0: no JSON\n  item 0, 1, 2, 3, 4, 5, 6, 7 and 2 more\n\n\
             1 item, save: answered 400\n  item 77\n"
        );
    }
}
