//! `inflight run --dry-run`: shows the first requests as they would be sent, checks what can be checked, and sends none.
//!
//! What it prints is a script: `curl` commands, and the rest as comments.

use inflight::{Fault, Record};
use inflight_connectors::{Payload, Preview};

use crate::commands::checked::CheckedRun;
use crate::commands::looked_at;
use crate::exit::Exit;
use crate::flags::run::RunArgs;
use crate::job::opened::Opened;
use crate::job::single::{self, Single};
use crate::show::curl;
use crate::terminal::stdout;

/// Shows what the job that was typed would send.
pub(crate) fn dry_run(args: RunArgs) -> anyhow::Result<Exit> {
    let count = looked_at::count(&args)?;
    let plan = CheckedRun::new(looked_at::without_trace(args))?;
    let messages = plan.show.messages.clone();
    let opened = Opened::new(&plan.work, &messages)?;
    let single = Single::new(&opened, &plan.options)?;
    let (mut shown, mut dead) = (0, 0);
    for item in single::first(&plan.work.input, count)? {
        let told = match &item {
            Ok(item) => {
                let request = request(&single, item)?;
                request.map(|request| format!("# {}\n{request}\n", looked_at::item(item)))
            }
            Err(fault) => Err(fault.to_string()),
        };
        dead += usize::from(told.is_err());
        let told = told.unwrap_or_else(|why| {
            format!(
                "# item {shown} would be a dead letter: {}\n",
                commented(&why)
            )
        });
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

/// What is sent first for an item: the fetch where there is one, else the save. The inner error is why the item would die.
fn request(single: &Single<'_>, item: &Record<Payload>) -> anyhow::Result<Result<String, String>> {
    let text = |fault: Fault| fault.to_string();
    if single.fetches() {
        let request = single.preview_fetch(item).map_err(text);
        return Ok(request.map(|request| request.as_ref().map(curl::command).unwrap_or_default()));
    }
    let result = match single.compute(item.value.clone())? {
        Ok(result) => Record::new(item.index, result),
        Err(why) => return Ok(Err(why)),
    };
    Ok(match single.preview_save(&result) {
        Ok(Preview::Request(request)) => Ok(curl::command(&request)),
        Ok(other) => Ok(format!("# saved: {}", commented(&looked_at::saved(&other)))),
        Err(fault) => Err(text(fault)),
    })
}

/// A text that may stand behind `# `.
fn commented(text: &str) -> String {
    text.replace('\n', "\n# ")
}
