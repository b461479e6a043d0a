//! `inflight run --dry-run`: shows the first requests as they would be sent, checks what can be checked, and sends none.
//!
//! What it prints is a script: `curl` commands, and the rest as comments.

use inflight::Record;
use inflight_connectors::{Payload, Preview};

use crate::commands::checked::CheckedRun;
use crate::commands::looked_at;
use crate::error::Result;
use crate::exit::Exit;
use crate::flags::run::RunArgs;
use crate::job::opened::Opened;
use crate::job::single::{self, Single, Unfinished};
use crate::show::curl;
use crate::terminal::stdout;

/// Shows what the job that was typed would send.
pub(crate) fn dry_run(args: RunArgs) -> Result<Exit> {
    let count = looked_at::count(&args)?;
    let plan = CheckedRun::new(looked_at::without_trace(args))?;
    let messages = plan.show.messages.clone();
    let opened = Opened::new(&plan.work, &messages)?;
    let single = Single::new(&opened, &plan.options)?;
    let (mut shown, mut dead) = (0, 0);
    for item in single::first(&plan.work.input, count)? {
        let told = item.map_err(Unfinished::from).and_then(|item| {
            let request = request(&single, &item)?;
            Ok(format!("# {}\n{request}\n", looked_at::item(&item)))
        });
        let told = match told {
            Ok(told) => told,
            Err(Unfinished::Broken(error)) => return Err(error),
            Err(Unfinished::Dead(fault)) => {
                dead += 1;
                let why = commented(&fault.to_string());
                format!("# item {shown} would be a dead letter: {why}\n")
            }
        };
        if shown > 0 {
            stdout::write("\n")?;
        }
        stdout::write(&told)?;
        shown += 1;
    }
    messages.say(format_args!(
        "dry run: nothing was sent and nothing was saved"
    ));
    Ok(if dead == 0 { Exit::Success } else { Exit::Dead })
}

/// What is sent first for an item: the fetch where there is one, else the save.
fn request(single: &Single<'_>, item: &Record<Payload>) -> Result<String, Unfinished> {
    if let Some(request) = single.preview_fetch(item)? {
        return Ok(curl::command(&request));
    }
    let result = Record::new(item.index, single.compute(item.value.clone())?);
    Ok(match single.preview_save(&result)? {
        Preview::Request(request) => curl::command(&request),
        other => format!("# saved: {}", commented(&looked_at::saved(&other))),
    })
}

/// A text that may stand behind `# `.
fn commented(text: &str) -> String {
    text.replace('\n', "\n# ")
}
