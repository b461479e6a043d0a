//! What a recording says of the command itself: what was done, how, and how to do it again.

use std::time::SystemTime;

use humantime::format_rfc3339_seconds;
use inflight::{InFlightLimit, Options};

use crate::flags::repeat;
use crate::job::opened::cores;
use crate::job::work::Work;
use crate::keep::recording::{About, VERSION};
use crate::terminal::quantity::count;

/// Begins a recording; what was done is known to its end only when it is over.
pub(crate) fn begin(work: &Work, options: &Options) -> About {
    About {
        version: VERSION,
        program: env!("CARGO_PKG_VERSION").to_owned(),
        id: String::new(),
        started: format_rfc3339_seconds(SystemTime::now().max(SystemTime::UNIX_EPOCH)).to_string(),
        command: repeat::repeated(std::env::args_os().map(|word| word.to_string_lossy().into())),
        work: format!("{} → {}", work.computation, sink(work)),
        cores: cores(),
        settings: settings(work, options),
        swept: None,
    }
}

/// Says how many items it was.
pub(crate) fn count_items(about: &mut About, items: u64) {
    about.work = format!("{} × {}", count(items, "item"), about.work);
}

/// Where the job saves, as it may be kept.
pub(crate) fn sink(work: &Work) -> String {
    repeat::address(&work.save_shown)
}

/// Every setting that says how a run went, with what became of those that nobody gave.
fn settings(work: &Work, options: &Options) -> Vec<(String, String)> {
    let rows = work.typed.iter();
    rows.filter_map(|row| {
        let value = became(row.key, options).or_else(|| row.reported())?;
        Some((row.key.to_owned(), value))
    })
    .collect()
}

/// What the engine makes of a setting that leaves it to decide.
fn became(key: &str, options: &Options) -> Option<String> {
    Some(match (key, options.in_flight) {
        ("jobs", _) => options.jobs.to_string(),
        ("in-flight", InFlightLimit::Fixed(limit)) => limit.to_string(),
        ("in-flight", InFlightLimit::Auto) => format!("auto, ceiling {}", options.max_in_flight),
        ("rate", _) if options.save_quota.requests.is_none() => "no bound".to_owned(),
        _ => return None,
    })
}
