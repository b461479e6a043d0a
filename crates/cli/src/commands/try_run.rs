//! `inflight try`: does the first items for real and shows each step; saves nothing, unless it is told to.

use inflight::Record;
use inflight_connectors::{Payload, Preview};

use crate::commands::checked::CheckedRun;
use crate::commands::looked_at;
use crate::exit::Exit;
use crate::flags::try_run::TryArgs;
use crate::job::opened::Opened;
use crate::job::single::{self, Single};
use crate::show::curl;
use crate::terminal::stdout;

/// Tries the job that was typed.
pub(crate) fn try_run(args: TryArgs) -> anyhow::Result<Exit> {
    let count = looked_at::count(&args.run)?;
    let plan = CheckedRun::new(looked_at::without_trace(args.run))?;
    let messages = plan.show.messages.clone();
    let opened = Opened::new(&plan.work, &messages)?;
    let single = Single::new(&opened, &plan.options)?;
    let mut dead = 0;
    for (index, item) in single::first(&plan.work.input, count)?.iter().enumerate() {
        if index > 0 {
            stdout::write("\n")?;
        }
        let told = match item {
            Ok(item) => {
                stdout::write(&format!("{}\n", looked_at::item(item)))?;
                steps(&single, item, args.save_too)?
            }
            Err(fault) => {
                stdout::write(&format!("item {index}\n"))?;
                Err(fault.to_string())
            }
        };
        if let Err(why) = told {
            dead += 1;
            stdout::write(&format!("failed: {why}\n"))?;
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

/// All steps of one item, each shown before the next. The inner error is why the item died.
fn steps(
    single: &Single<'_>,
    item: &Record<Payload>,
    save_too: bool,
) -> anyhow::Result<Result<(), String>> {
    let fetched = match single.preview_fetch(item) {
        Err(fault) => return Ok(Err(fault.to_string())),
        Ok(None) => item.value.clone(),
        Ok(Some(request)) => {
            stdout::write(&format!("fetch:\n{}\n", curl::command(&request)))?;
            match single.fetch(item) {
                Ok(answer) => {
                    stdout::write(&format!("answer:\n{}\n", looked_at::answer(&answer)))?;
                    answer
                }
                Err(fault) => return Ok(Err(fault.to_string())),
            }
        }
    };
    let result = match single.compute(fetched)? {
        Ok(result) => Record::new(item.index, result),
        Err(why) => return Ok(Err(why)),
    };
    let preview = match single.preview_save(&result) {
        Ok(preview) => preview,
        Err(fault) => return Ok(Err(fault.to_string())),
    };
    let is_request = matches!(preview, Preview::Request(_));
    let heading = match (save_too, is_request) {
        (true, _) => "save:",
        (false, true) => "save, not sent:",
        (false, false) => "save, not written:",
    };
    stdout::write(&format!("{heading}\n{}\n", looked_at::saved(&preview)))?;
    if !save_too {
        return Ok(Ok(()));
    }
    Ok(match single.save(&result) {
        Ok(()) => {
            stdout::write("saved\n")?;
            Ok(())
        }
        Err(fault) => Err(fault.to_string()),
    })
}
