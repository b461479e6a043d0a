//! What was typed of how a job runs: how many at once, how fast, how often again.

use std::fmt::Display;
use std::time::Duration;

use clap::Args;
use humantime::format_duration;

use crate::flags::headings::PACE;
use crate::flags::setting::{Decides, Report, Setting};
use crate::flags::value::{self, OrAuto, OrNoHalt, QuotaOf};

/// How many at once, how fast, how often again.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = PACE)]
pub(crate) struct PaceArgs {
    /// Compute threads of parallel, 1 to 1024; auto is one for each core
    #[arg(short, long, value_name = "N|auto", default_value = "auto", value_parser = value::count_or_auto)]
    pub(crate) jobs: OrAuto,

    /// Requests sent and not yet answered, for each of fetch and save, 1 to 65536; auto finds as many as pay [default: auto with
    /// parallel, except in compare, else 100]
    #[arg(short = 'c', long, value_name = "N|auto", value_parser = value::count_or_auto)]
    pub(crate) in_flight: Option<OrAuto>,

    /// The most in flight, whatever -c says or finds, 1 to 65536: each is a connection [default: 1000 for auto]
    #[arg(long, value_name = "N")]
    pub(crate) max_in_flight: Option<usize>,

    /// The most records in one save request, of a database, a file or --save-body array; auto is what the sink takes, or, with -c auto and a sink that takes several requests
    /// at once, as many as make a request's own cost a tenth of it
    #[arg(long, value_name = "N|auto", default_value = "auto", value_parser = value::count_or_auto)]
    pub(crate) bulk: OrAuto,

    /// Save requests started a second, minute or hour, at most, such as 50/s [default: no bound]
    #[arg(long, value_name = "N/s", value_parser = value::rate)]
    pub(crate) rate: Option<f64>,

    /// What the service of the fetches allows: '500 requests/min', '200000 tokens/min' or 50/s; may be repeated. An answer says its tokens in usage.total_tokens
    #[arg(long = "fetch-quota", value_name = "N UNIT/TIME", value_parser = value::quota)]
    pub(crate) fetch_quotas: Vec<QuotaOf>,

    /// The same of the service of the saves; --rate is its short form for requests
    #[arg(long = "save-quota", value_name = "N UNIT/TIME", value_parser = value::quota)]
    pub(crate) save_quotas: Vec<QuotaOf>,

    /// Deadline of one request
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = value::duration)]
    pub(crate) timeout: Duration,

    /// Deadline of one connection attempt
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = value::duration)]
    pub(crate) connect_timeout: Duration,

    /// Deadline of one computation: a worker process (exec:) is killed then, a thread of parallel is written off
    #[arg(long, value_name = "DURATION", default_value = "15m", value_parser = value::duration)]
    pub(crate) compute_timeout: Duration,

    /// The most items that a worker process (exec:) is given at once, 1 to 1024; auto gives as many as pay
    #[arg(long, value_name = "N|auto", default_value = "auto", value_parser = value::count_or_auto)]
    pub(crate) worker_batch: OrAuto,

    /// Replace a worker process (exec:) after so many items, for one whose memory grows [default: never]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) worker_recycle: Option<u64>,

    /// Extra tries of an item after its first; refusals (429, 503) and outages are not counted
    #[arg(long, value_name = "N", default_value = "5")]
    pub(crate) retries: u16,

    /// How long a service may be away before the run stops, so that it can be resumed; 8s at most before its first answer
    #[arg(long, value_name = "DURATION", default_value = "15m", value_parser = value::duration)]
    pub(crate) max_outage: Duration,

    /// Stop when items have failed: most of the last hundred, so many, such as 10, more than a share of all, such as fail=3%, or
    /// never
    #[arg(long, value_name = "most|N|fail=N%|never", default_value = "most", value_parser = value::or_no_halt)]
    pub(crate) halt: OrNoHalt,

    /// Stop, so that the run can be resumed, when it has taken so long [default: no bound]
    #[arg(long, value_name = "DURATION", value_parser = value::duration)]
    pub(crate) deadline: Option<Duration>,
}

impl PaceArgs {
    /// Every setting of the group.
    pub(super) fn settings(&self) -> Vec<Setting> {
        let PaceArgs {
            jobs,
            in_flight,
            max_in_flight,
            bulk,
            rate,
            fetch_quotas,
            save_quotas,
            timeout,
            connect_timeout,
            compute_timeout,
            worker_batch,
            worker_recycle,
            retries,
            max_outage,
            halt,
            deadline,
        } = self;
        fn row(key: &'static str, value: impl ToString) -> Setting {
            Setting::new(key, Decides::Course, Report::Whole, [value])
        }
        fn unset(key: &'static str, value: Option<impl ToString>) -> Setting {
            Setting::new(key, Decides::Course, Report::Whole, value)
        }
        fn each(key: &'static str, values: &[impl Display]) -> Setting {
            Setting::new(key, Decides::Course, Report::Whole, values)
        }
        vec![
            row("jobs", jobs),
            unset("in-flight", *in_flight),
            unset("max-in-flight", *max_in_flight),
            row("bulk", bulk),
            unset("rate", rate.map(|rate| format!("{rate}/s"))),
            row("timeout", format_duration(*timeout)),
            row("connect-timeout", format_duration(*connect_timeout)),
            row("compute-timeout", format_duration(*compute_timeout)),
            row("worker-batch", worker_batch),
            unset("worker-recycle", *worker_recycle),
            row("retries", retries),
            row("max-outage", format_duration(*max_outage)),
            row("halt", halt),
            unset("deadline", deadline.map(format_duration)),
            each("fetch-quota", fetch_quotas),
            each("save-quota", save_quotas),
        ]
    }
}
