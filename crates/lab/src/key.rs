//! The keys of a lab: one table from which flags, query parameters and messages are made.

use std::path::Path;

use crate::config::Config;
use crate::latency::Latency;
use crate::overload::Overload;
use crate::quota::Quota;
use crate::quota_headers::QuotaHeaders;
use crate::scenario::Scenario;
use crate::value::{self, Expected};

/// One setting of a lab: the flag `--NAME VALUE` and the query parameter `NAME=VALUE` are made from it.
#[derive(Debug)]
pub struct Key {
    /// The name, as in [`Config::set`].
    pub name: &'static str,
    /// What stands for the value in a help text (`DURATION`); empty for a switch, which is on when it is named.
    pub value: &'static str,
    /// One line that says what the setting does, its unit and its default.
    pub help: &'static str,
    pub(crate) set: fn(&mut Config, &str) -> Result<(), Expected>,
}

/// All keys, in the order in which a request meets them.
pub(crate) static KEYS: &[Key] = &[
    Key {
        name: "scenario",
        value: "FILE",
        help: "Behave as [service] of this scenario says, changes over time included; other flags hold until the first of them",
        set: |config, text| {
            let scenario = Scenario::read(Path::new(text));
            scenario
                .map(|scenario| *config = scenario.service)
                .map_err(|error| format!("a scenario file ({error})"))
        },
    },
    Key {
        name: "network",
        value: "DURATION",
        help: "The way there and back, half before and half after the service; takes no place [default: 0ms]",
        set: |config, text| value::duration(text).map(|network| config.network = network),
    },
    Key {
        name: "latency",
        value: "LATENCY",
        help: "Service time of a request: 100ms, lognormal:MEAN,SIGMA or bimodal:USUAL,SLOW,SHARE [default: 0ms]",
        set: |config, text| Latency::parse(text).map(|latency| config.latency = latency),
    },
    Key {
        name: "capacity",
        value: "N",
        help: "Requests served at once; others wait [default: unbounded]",
        set: |config, text| unbounded_or(text, 1).map(|capacity| config.capacity = capacity),
    },
    Key {
        name: "queue",
        value: "N",
        help: "Requests that may wait for a place; beyond them status 503 [default: unbounded]",
        set: |config, text| unbounded_or(text, 0).map(|queue| config.queue = queue),
    },
    Key {
        name: "overload",
        value: "SHAPE",
        help: "What crowding does to the service time: queue, degrade:G or contention:A,B [default: queue]",
        set: |config, text| Overload::parse(text).map(|overload| config.overload = overload),
    },
    Key {
        name: "rate",
        value: "QUOTA",
        help: "Quota such as '100/s,burst 50'; beyond it status 429. The burst is one second's worth unless given [default: none]",
        set: |config, text| match text.trim() {
            "none" => {
                config.rate = None;
                Ok(())
            }
            _ => Quota::parse(text)
                .map(|quota| config.rate = Some(quota))
                .map_err(|expected| format!("{expected}, or `none`")),
        },
    },
    Key {
        name: "tokens-rate",
        value: "QUOTA",
        help: "Quota of tokens such as 200000/m, which requests of --openai cost; the burst is the unit's worth unless given [default: none]",
        set: |config, text| match text.trim() {
            "none" => {
                config.tokens_rate = None;
                Ok(())
            }
            _ => Quota::parse_tokens(text)
                .map(|quota| config.tokens_rate = Some(quota))
                .map_err(|expected| format!("{expected}, or `none`")),
        },
    },
    Key {
        name: "quota-headers",
        value: "DIALECT",
        help: "How answers tell what is left of the quotas: openai, anthropic, ietf or none [default: openai with --openai, else none]",
        set: |config, text| QuotaHeaders::parse(text).map(|dialect| config.quota_headers = dialect),
    },
    Key {
        name: "retry-after",
        value: "DURATION",
        help: "Retry-After of a 503, sent in whole seconds, rounded up, at least 1 [default: 1s]",
        set: |config, text| value::duration(text).map(|pause| config.retry_after = pause),
    },
    Key {
        name: "fail",
        value: "SHARE",
        help: "Share of requests answered with status 500, such as 1% or 0.01 [default: 0]",
        set: |config, text| set_share(config, text, |config, share| config.faults.fail = share),
    },
    Key {
        name: "fail-match",
        value: "TEXT",
        help: "A save whose body equals TEXT is always answered with status 500 [default: none]",
        set: |config, text| {
            config.fail_match = Some(text.to_owned());
            Ok(())
        },
    },
    Key {
        name: "reset",
        value: "SHARE",
        help: "Share of requests whose connection is cut, nothing stored [default: 0]",
        set: |config, text| set_share(config, text, |config, share| config.faults.reset = share),
    },
    Key {
        name: "stall",
        value: "SHARE",
        help: "Share of requests that are never answered, nothing stored [default: 0]",
        set: |config, text| set_share(config, text, |config, share| config.faults.stall = share),
    },
    Key {
        name: "after-apply",
        value: "SHARE",
        help: "Share of requests that are stored and then cut before the answer [default: 0]",
        set: |config, text| {
            set_share(config, text, |config, share| {
                config.faults.after_apply = share
            })
        },
    },
    Key {
        name: "idempotent",
        value: "",
        help: "Answer a repeated Idempotency-Key like the first time and store nothing again",
        set: |config, text| value::switch(text).map(|on| config.idempotent = on),
    },
    Key {
        name: "openai",
        value: "",
        help: "Serve POST /v1/chat/completions and /v1/embeddings as an LLM service does",
        set: |config, text| value::switch(text).map(|on| config.openai = on),
    },
    Key {
        name: "error-in-200",
        value: "SHARE",
        help: "Share of answers of --openai that are an error inside a 200 [default: 0]",
        set: |config, text| value::probability(text).map(|share| config.error_in_200 = share),
    },
    Key {
        name: "rest",
        value: "",
        help: "Serve GET, PUT, PATCH and DELETE on /things/ID, JSON objects that are kept",
        set: |config, text| value::switch(text).map(|on| config.rest = on),
    },
    Key {
        name: "bulk",
        value: "",
        help: "Serve POST /_bulk as search engines do: many documents in one request, each with an answer of its own",
        set: |config, text| value::switch(text).map(|on| config.bulk = on),
    },
    Key {
        name: "token-life",
        value: "DURATION",
        help: "Ask for a bearer token, which is good for so long after its first use; then status 401 until another comes [default: none is asked for]",
        set: |config, text| value::duration(text).map(|life| config.token_life = Some(life)),
    },
    Key {
        name: "seed",
        value: "N",
        help: "Seed of everything drawn at random: the same seed and order of requests, the same run [default: 1]",
        set: |config, text| {
            let seed = text
                .trim()
                .parse()
                .map_err(|_| "a whole number from 0".to_owned());
            seed.map(|seed| config.seed = seed)
        },
    },
];

/// A number of at least `min`, or `unbounded`.
fn unbounded_or(text: &str, min: usize) -> Result<Option<usize>, Expected> {
    match text.trim() {
        "unbounded" => Ok(None),
        _ => value::count(text, min)
            .map(Some)
            .map_err(|expected| format!("{expected}, or `unbounded`")),
    }
}

/// Sets the share of one fault, unless all shares together would exceed 1.
fn set_share(config: &mut Config, text: &str, set: fn(&mut Config, f64)) -> Result<(), Expected> {
    let faults_before = config.faults;
    set(config, value::probability(text)?);
    // Shares such as 0.1 do not add up to exactly 1.
    if config.faults.total() > 1.0 + 1e-9 {
        config.faults = faults_before;
        return Err(
            "a share that makes at most 1 together with `fail`, `reset`, `stall` and `after-apply`"
                .to_owned(),
        );
    }
    Ok(())
}
