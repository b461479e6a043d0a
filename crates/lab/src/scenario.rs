//! A scenario: who sends, what answers, how that changes, and what to expect, read from a file.
//!
//! The same files are played in virtual time, which uses all of them, and by a real lab, which uses `[service]`. What a
//! key of `[service]` means is for [`Config::set`] to know, so that it means the same as a flag.

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use crate::config::{Change, Config};
use crate::error::ScenarioError;
use crate::quota::Quota;
use crate::value;

/// Clients at most: each costs a law and its requests, and a thousand workers are a large fleet.
const CLIENTS_MAX: usize = 10_000;

/// Records in a request, at most: a million of a kilobyte are a gigabyte.
const BULK_MAX: usize = 1_000_000;

/// A scenario, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// What it is called in results.
    pub name: String,
    /// When it ends.
    pub length: Length,
    /// The time at its beginning that is not measured.
    pub warmup: Duration,
    /// Who sends.
    pub clients: Clients,
    /// How many records travel in one request, and what they cost. Default: one.
    pub bulk: Bulks,
    /// What answers, with what changes about it.
    pub service: Config,
    /// What the service gives at best, for each phase: from the start, and from each change on. Empty if nobody knows.
    pub expected: Vec<Expected>,
}

/// When a scenario ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Length {
    /// After this time.
    Lasting(Duration),
    /// When each client has saved this many items.
    Items(u64),
}

/// Identical workers, each with a limit of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct Clients {
    /// How many, at least 1. Default 1.
    pub count: usize,
    /// They start one after the other over this time. Default: together.
    pub start_spread: Duration,
    /// Threads that compute, for each. Default 1.
    pub cores: usize,
    /// What an item costs one of them. Default: nothing.
    pub compute: Duration,
    /// How many requests each may have in flight. Default: it finds out.
    pub limit: ClientLimit,
    /// The most it may find. Default 65,536: out of the way.
    pub in_flight_max: usize,
    /// Requests a second that each may start. Default: no bound.
    pub rate: Option<f64>,
    /// Items a second that each has to save; `None` is as many as it can.
    pub produce: Option<f64>,
    /// How its own CPU keeps it from serving I/O. Default: never.
    pub stall: Option<Busy>,
    /// When it gives a request up. Default 30 s, as a job does.
    pub timeout: Duration,
    /// Whether their probes fall into the same moments. Default: yes.
    pub aligned: bool,
    /// Whether each begins with what it has learnt when the same was played before. Default: no.
    pub remembers: bool,
}

impl Clients {
    /// Whether a client needs time for what it sends, however quickly that is answered.
    fn take_time(&self) -> bool {
        !self.compute.is_zero() || self.produce.is_some() || self.rate.is_some()
    }
}

/// How many requests a client may have in flight.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ClientLimit {
    /// It finds out.
    Auto,
    /// This many.
    Fixed(usize),
}

/// How many records travel in one request, and what they cost. Only virtual time knows of them: over HTTP each travels alone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bulks {
    /// How many a client puts into a request, at most.
    pub size: ClientLimit,
    /// The most that the service takes. Default 1.
    pub max: usize,
    /// What each record after the first adds to the latency.
    pub per_record: Duration,
}

/// A CPU that is busy for the first part of each period and serves no I/O meanwhile.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Busy {
    /// How long.
    pub busy: Duration,
    /// Of how long.
    pub of: Duration,
}

/// What a service gives at best in one phase.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// The best goodput, in saves a second.
    pub optimum: f64,
    /// The smallest number in flight that gives 97 % of it.
    pub knee: f64,
}

/// The file, as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    duration: Option<String>,
    items: Option<u64>,
    warmup: Option<String>,
    #[serde(default)]
    clients: ClientsTable,
    #[serde(default)]
    bulk: BulkTable,
    service: toml::Table,
    expect: Option<toml::Table>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct ClientsTable {
    count: Option<usize>,
    start_spread: Option<String>,
    cores: Option<usize>,
    compute: Option<String>,
    limit: Option<toml::Value>,
    in_flight_max: Option<usize>,
    rate: Option<String>,
    produce: Option<String>,
    stall: Option<String>,
    timeout: Option<String>,
    aligned: Option<bool>,
    remembers: Option<bool>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct BulkTable {
    size: Option<toml::Value>,
    max: Option<usize>,
    per_record: Option<String>,
}

/// What is expected of each phase by itself.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PhasesTable {
    phases: Vec<Expected>,
}

/// What is wrong, after the key.
type Wrong = String;

impl Scenario {
    /// Reads a scenario from a file.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or as [`parse`](Self::parse); names the file.
    pub fn read(path: &Path) -> Result<Self, ScenarioError> {
        let text = std::fs::read_to_string(path).map_err(|error| error.to_string());
        text.and_then(|text| Self::parse_text(&text))
            .map_err(|wrong| ScenarioError::new(Some(path), wrong))
    }

    /// Reads a scenario.
    ///
    /// # Errors
    ///
    /// When it is not TOML, a key is unknown or missing, or a value is not valid; names the key and what is valid.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        Self::parse_text(text).map_err(|wrong| ScenarioError::new(None, wrong))
    }

    fn parse_text(text: &str) -> Result<Self, Wrong> {
        let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
        let service = service(file.service)?;
        let phases = service.changes().len() + 1;
        let expected = file
            .expect
            .map_or(Ok(Vec::new()), |table| expected(table, phases))?;
        let length = match (file.duration, file.items) {
            (Some(text), None) => Length::Lasting(duration("duration", &text)?),
            (None, Some(items @ 1..)) => Length::Items(items),
            _ => return Err("expected either `duration`, or `items` of at least 1".to_owned()),
        };
        let warmup = optional(file.warmup, |text| duration("warmup", text))?.unwrap_or_default();
        match length {
            Length::Lasting(all) if all.is_zero() => {
                return Err("`duration`: expected more than nothing".to_owned());
            }
            Length::Lasting(all) if warmup >= all => {
                return Err(
                    "`warmup`: expected less than `duration`, or nothing is measured".to_owned(),
                );
            }
            Length::Items(_) if !warmup.is_zero() => {
                return Err("`warmup`: a job that ends is measured whole; leave it out".to_owned());
            }
            _ => {}
        }
        if let (Length::Lasting(all), Some(last)) = (length, service.changes().last())
            && last.at >= all
        {
            return Err(format!(
                "`at`: the change at {:?} comes after the end at {all:?}",
                last.at
            ));
        }
        let clients = file.clients.check()?;
        if matches!(length, Length::Lasting(_)) && !clients.take_time() && is_instant(&service) {
            let wrong = "`duration`: nothing here takes time, so it would never pass; \
                         give `[service]` a `latency` or a `network`";
            return Err(wrong.to_owned());
        }
        Ok(Self {
            name: file.name,
            length,
            warmup,
            clients,
            bulk: file.bulk.check()?,
            service,
            expected,
        })
    }
}

/// What is expected, of all phases alike or of each.
fn expected(table: toml::Table, phases: usize) -> Result<Vec<Expected>, Wrong> {
    let wrong = |error: toml::de::Error| format!("`expect`: {}", error.message());
    let expected = match table.contains_key("phases") {
        true => table.try_into::<PhasesTable>().map_err(wrong)?.phases,
        false => vec![table.try_into::<Expected>().map_err(wrong)?; phases],
    };
    if expected.len() != phases {
        return Err(format!(
            "`expect`: expected one phase more than the {} changes, not {}",
            phases - 1,
            expected.len()
        ));
    }
    let is_valid = |figure: f64| figure.is_finite() && figure > 0.0;
    match expected
        .iter()
        .all(|one| is_valid(one.optimum) && is_valid(one.knee))
    {
        true => Ok(expected),
        false => Err("`expect`: expected an `optimum` and a `knee` of more than 0".to_owned()),
    }
}

impl ClientsTable {
    fn check(self) -> Result<Clients, Wrong> {
        let time = |key: &'static str, text: Option<String>, default| {
            optional(text, |text| duration(key, text)).map(|time| time.unwrap_or(default))
        };
        let rate = |key: &'static str, text: Option<String>| {
            optional(text.filter(|text| text != "unlimited"), |text| {
                let quota = Quota::parse(text).map_err(|expected| invalid(key, text, expected))?;
                Ok(quota.per_second)
            })
        };
        Ok(Clients {
            count: within("count", self.count.unwrap_or(1), CLIENTS_MAX)?,
            start_spread: time("start_spread", self.start_spread, Duration::ZERO)?,
            cores: within("cores", self.cores.unwrap_or(1), 1024)?,
            compute: time("compute", self.compute, Duration::ZERO)?,
            limit: self
                .limit
                .map_or(Ok(ClientLimit::Auto), |value| limit("limit", value))?,
            in_flight_max: within(
                "in_flight_max",
                self.in_flight_max.unwrap_or(65_536),
                65_536,
            )?,
            rate: rate("rate", self.rate)?,
            produce: rate("produce", self.produce)?,
            stall: optional(self.stall.filter(|text| text != "none"), busy)?,
            timeout: time("timeout", self.timeout, Duration::from_secs(30))?,
            aligned: self.aligned.unwrap_or(true),
            remembers: self.remembers.unwrap_or(false),
        })
    }
}

impl BulkTable {
    fn check(self) -> Result<Bulks, Wrong> {
        let per_record = optional(self.per_record, |text| duration("per_record", text))?;
        Ok(Bulks {
            size: self
                .size
                .map_or(Ok(ClientLimit::Auto), |size| limit("size", size))?,
            max: within("max", self.max.unwrap_or(1), BULK_MAX)?,
            per_record: per_record.unwrap_or_default(),
        })
    }
}

/// `[service]`, and each `[[service.change]]` on top of what was before it.
fn service(mut table: toml::Table) -> Result<Config, Wrong> {
    let changes = match table.remove("change") {
        None => Vec::new(),
        Some(toml::Value::Array(changes)) => changes,
        Some(_) => return Err("`service.change`: expected a list of tables".to_owned()),
    };
    let mut config = Config::default();
    set_all(&mut config, table)?;
    let mut before = config.clone();
    for change in changes {
        let toml::Value::Table(mut change) = change else {
            return Err("`service.change`: expected a list of tables".to_owned());
        };
        let Some(at) = change.remove("at") else {
            return Err("`service.change`: expected `at`, when it comes".to_owned());
        };
        let at = duration("at", &plain(at)?)?;
        if config.changes().last().is_some_and(|last| last.at >= at) {
            return Err(
                "`service.change`: expected each `at` later than the one before".to_owned(),
            );
        }
        // A share would stall some for ever; a duration stalls all for a while.
        let is_time = |value: &toml::Value| {
            value
                .as_str()
                .is_some_and(|text| duration("", text).is_ok())
        };
        let frozen = match change.get("stall").filter(|value| is_time(value)) {
            Some(_) => duration(
                "stall",
                &plain(change.remove("stall").expect("it is there"))?,
            )?,
            None => Duration::ZERO,
        };
        set_all(&mut before, change)?;
        config.changes.push(Change {
            at,
            config: before.clone(),
            frozen,
        });
    }
    Ok(config)
}

/// Whether it ever answers, or refuses, in no time.
fn is_instant(service: &Config) -> bool {
    let changes = service.changes().iter().map(|change| &change.config);
    std::iter::once(service)
        .chain(changes)
        .any(|config| config.declared().latency.is_zero())
}

fn set_all(config: &mut Config, table: toml::Table) -> Result<(), Wrong> {
    for (key, value) in table {
        let key = key.replace('_', "-");
        if key == "scenario" {
            return Err("[service]: a scenario names no other one".to_owned());
        }
        config
            .set(&key, &plain(value)?)
            .map_err(|error| format!("[service]: {error}"))?;
    }
    Ok(())
}

/// A value as it would be typed as a flag.
fn plain(value: toml::Value) -> Result<String, Wrong> {
    match value {
        toml::Value::String(text) => Ok(text),
        toml::Value::Integer(number) => Ok(number.to_string()),
        toml::Value::Float(number) => Ok(number.to_string()),
        toml::Value::Boolean(on) => Ok(on.to_string()),
        other => Err(format!("[service]: expected a plain value, not `{other}`")),
    }
}

fn limit(key: &str, value: toml::Value) -> Result<ClientLimit, Wrong> {
    match &value {
        toml::Value::String(text) if text == "auto" => Ok(ClientLimit::Auto),
        toml::Value::Integer(number @ 1..=65_536) => Ok(ClientLimit::Fixed(*number as usize)),
        _ => Err(invalid(
            key,
            &value.to_string(),
            "`\"auto\"` or a number from 1 to 65536".to_owned(),
        )),
    }
}

/// Reads `14ms of 20ms`.
fn busy(text: &str) -> Result<Busy, Wrong> {
    let parts = text.split_once(" of ");
    let parsed = parts.and_then(|(busy, of)| {
        let (busy, of) = (value::duration(busy).ok()?, value::duration(of).ok()?);
        (busy < of).then_some(Busy { busy, of })
    });
    parsed.ok_or_else(|| {
        let expected = "`none`, or a part of a longer time such as `14ms of 20ms`";
        invalid("stall", text, expected.to_owned())
    })
}

fn duration(key: &str, text: &str) -> Result<Duration, Wrong> {
    value::duration(text).map_err(|expected| invalid(key, text, expected))
}

fn within(key: &str, value: usize, max: usize) -> Result<usize, Wrong> {
    let valid = (1..=max).contains(&value);
    valid
        .then_some(value)
        .ok_or_else(|| invalid(key, &value.to_string(), format!("a number from 1 to {max}")))
}

fn optional<T>(
    text: Option<String>,
    read: impl Fn(&str) -> Result<T, Wrong>,
) -> Result<Option<T>, Wrong> {
    text.as_deref().map(read).transpose()
}

fn invalid(key: &str, value: &str, expected: String) -> Wrong {
    format!("invalid value `{value}` for `{key}`: expected {expected}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HUNDRED: &str = r#"
        name = "hundred"
        duration = "120s"
        warmup = "60s"
        [clients]
        cores = 2
        stall = "14ms of 20ms"
        produce = "300/s"
        [service]
        network = "10ms"
        latency = "100ms"
        capacity = 100
        retry_after = "1s"
        [[service.change]]
        at = "60s"
        capacity = 30
        [[service.change]]
        at = "80s"
        stall = "20s"
        [expect]
        optimum = 1000.0
        knee = 107
    "#;

    fn wrong(from: &str, to: &str) -> String {
        assert!(HUNDRED.contains(from));
        let error = Scenario::parse(&HUNDRED.replace(from, to)).unwrap_err();
        error.to_string()
    }

    #[test]
    fn a_scenario_is_read_whole() {
        let scenario = Scenario::parse(HUNDRED).unwrap();
        assert_eq!(scenario.length, Length::Lasting(Duration::from_secs(120)));
        assert_eq!(scenario.clients.produce, Some(300.0));
        assert_eq!(
            scenario.clients.stall.unwrap().of,
            Duration::from_millis(20)
        );
        let changes = scenario.service.changes();
        let later: Vec<_> = changes
            .iter()
            .map(|c| (c.at.as_secs(), c.config.capacity))
            .collect();
        assert_eq!(later, [(60, Some(30)), (80, Some(30))]);
        assert_eq!(changes[1].frozen, Duration::from_secs(20));
        assert_eq!(scenario.expected.len(), 3);
        assert_eq!(scenario.service.network(), Duration::from_millis(10));
    }

    #[test]
    fn a_mistake_is_named() {
        assert!(wrong("produce", "prodce").contains("unknown field `prodce`"));
        assert!(wrong("capacity = 100", "capcity = 1").contains("did you mean `capacity`?"));
        assert!(
            wrong("14ms of 20ms", "20ms of 14ms")
                .contains("invalid value `20ms of 14ms` for `stall`")
        );
        assert!(wrong("\"120s\"", "\"soon\"").contains("invalid value `soon` for `duration`"));
        assert!(wrong("\"120s\"", "\"60s\"").contains("`warmup`: expected less"));
        assert!(wrong("duration = \"120s\"", "items = 7").contains("`warmup`: a job that ends"));
        assert!(wrong("capacity = 100", "scenario = \"itself.toml\"").contains("names no other"));
        let instant = "name = \"instant\"\nduration = \"10s\"\n[service]\ncapacity = 10";
        let error = Scenario::parse(instant).unwrap_err().to_string();
        assert!(error.contains("nothing here takes time"), "{error}");
        assert!(wrong("duration = \"120s\"", "").contains("either `duration`, or `items`"));
        assert!(wrong("at = \"80s\"", "at = \"800s\"").contains("comes after the end"));
        assert!(
            wrong("optimum = 1000.0", "optmum = 1000.0")
                .contains("`expect`: unknown field `optmum`")
        );
        assert!(wrong("optimum = 1000.0", "optimum = nan").contains("more than 0"));
        assert!(wrong("at = \"80s\"", "at = \"60s\"").contains("later than the one before"));
    }
}
