//! `inflight try`: does the first items for real and shows each step; saves nothing, unless it is told to.

use inflight::Record;
use inflight_connectors::{Payload, Preview};

use crate::commands::checked::CheckedRun;
use crate::commands::looked_at;
use crate::error::Result;
use crate::exit::Exit;
use crate::flags::try_run::TryArgs;
use crate::job::opened::Opened;
use crate::job::single::{self, Single, Unfinished};
use crate::show::curl;
use crate::terminal::stdout;

/// Tries the job that was typed.
pub(crate) fn try_run(args: TryArgs) -> Result<Exit> {
    let count = looked_at::count(&args.run)?;
    let plan = CheckedRun::new(looked_at::without_trace(args.run))?;
    let messages = plan.show.messages.clone();
    let opened = Opened::new(&plan.work, &messages)?;
    let single = Single::new(&opened, &plan.options)?;
    let mut dead = 0;
    for (index, item) in (0u64..).zip(single::first(&plan.work.input, count)?) {
        if index > 0 {
            stdout::write("\n")?;
        }
        let told = match item {
            Ok(item) => {
                stdout::write(&format!("{}\n", looked_at::item(&item)))?;
                steps(&single, &item, args.save_too)
            }
            Err(fault) => {
                stdout::write(&format!("item {index}\n"))?;
                Err(Unfinished::Dead(fault))
            }
        };
        match told {
            Ok(()) => {}
            Err(Unfinished::Broken(error)) => return Err(error),
            Err(Unfinished::Dead(fault)) => {
                dead += 1;
                stdout::write(&format!("failed: {fault}\n"))?;
            }
        }
    }
    if !args.save_too {
        messages.say(format_args!(
            "nothing was saved to {}; --save-too saves these items for real",
            plan.work.save_shown
        ));
    }
    Ok(if dead == 0 { Exit::Success } else { Exit::Dead })
}

/// All steps of one item, each shown before the next.
fn steps(single: &Single<'_>, item: &Record<Payload>, save_too: bool) -> Result<(), Unfinished> {
    let fetched = match single.preview_fetch(item)? {
        None => item.value.clone(),
        Some(request) => {
            stdout::write(&format!("fetch:\n{}\n", curl::command(&request)))?;
            let answer = single.fetch(item)?;
            stdout::write(&format!("answer:\n{}\n", looked_at::answer(&answer)))?;
            answer
        }
    };
    let result = Record::new(item.index, single.compute(fetched)?);
    let preview = single.preview_save(&result)?;
    let is_request = matches!(preview, Preview::Request(_));
    let heading = match (save_too, is_request) {
        (true, _) => "save:",
        (false, true) => "save, not sent:",
        (false, false) => "save, not written:",
    };
    stdout::write(&format!("{heading}\n{}\n", looked_at::saved(&preview)))?;
    if save_too {
        single.save(&result)?;
        stdout::write("saved\n")?;
    }
    Ok(())
}
