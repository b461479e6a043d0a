//! What a recording says of the command itself: what was done, how, and how to do it again.

use std::time::SystemTime;

use humantime::{format_duration, format_rfc3339_seconds};
use inflight::{InFlightLimit, Options};

use crate::flags::repeat;
use crate::job::opened::cores;
use crate::job::work::Work;
use crate::keep::recording::About;
use crate::terminal::quantity::count;

/// Begins a recording; what was done is known to its end only when it is over.
pub(crate) fn begin(work: &Work, options: &Options) -> About {
    About {
        version: 1,
        program: env!("CARGO_PKG_VERSION").to_owned(),
        id: String::new(),
        started: format_rfc3339_seconds(SystemTime::now()).to_string(),
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

/// Every setting that decides how a run goes, whether it was given or not.
fn settings(work: &Work, options: &Options) -> Vec<(String, String)> {
    let fetch = work.fetch_shown.as_deref().map(repeat::address);
    let settings = [
        ("compute", work.computation.to_string()),
        ("save", sink(work)),
        ("fetch", fetch.unwrap_or_else(|| "nothing".to_owned())),
        ("jobs", options.jobs.to_string()),
        (
            "in-flight",
            match options.in_flight {
                InFlightLimit::Fixed(limit) => limit.to_string(),
                InFlightLimit::Auto => format!("auto, ceiling {}", options.max_in_flight),
            },
        ),
        ("batch", options.batch.to_string()),
        (
            "bulk",
            match options.bulk {
                Some(bulk) => bulk.to_string(),
                None => "auto".to_owned(),
            },
        ),
        (
            "yield-every",
            match options.yield_every {
                Some(time) if time.is_zero() => "each item".to_owned(),
                Some(time) => format_duration(time).to_string(),
                None => "never".to_owned(),
            },
        ),
        (
            "rate",
            match options.rate {
                Some(rate) => format!("{rate} a second"),
                None => "no bound".to_owned(),
            },
        ),
        ("retries", options.retries.to_string()),
        ("timeout", format_duration(options.timeout).to_string()),
        (
            "connect-timeout",
            format_duration(options.connect_timeout).to_string(),
        ),
    ];
    settings
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
}
