//! How a lab behaves, as plain data set key by key and checked as it is set.
//!
//! Flags, query parameters and scenario files all come through [`Config::set`], so that a key means the same everywhere.

use std::time::Duration;

use crate::error::ConfigError;
use crate::fault::Faults;
use crate::key::{KEYS, Key};
use crate::latency::Latency;
use crate::overload::Overload;
use crate::quota::Quota;
use crate::quota_headers::QuotaHeaders;

/// How a lab behaves.
///
/// Default: answers at once, serves any number at once, and does nothing wrong; what is left is the cost of HTTP itself.
///
/// ```
/// let mut config = inflight_lab::Config::default();
/// config.set("latency", "lognormal:100ms,0.3")?;
/// config.set("idempotent", "")?;
/// let error = config.set("latancy", "1s").unwrap_err();
/// assert!(error.to_string().contains("did you mean `latency`?"));
/// # Ok::<(), inflight_lab::ConfigError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The way there and back; who is on it takes no place.
    pub(crate) network: Duration,
    /// Service time of one request that is alone.
    pub(crate) latency: Latency,
    /// Requests served at once, at least 1; `None` is unbounded.
    pub(crate) capacity: Option<usize>,
    /// Requests that may wait; `None` is unbounded (each is bounded by its connection and holds a ticket only).
    pub(crate) queue: Option<usize>,
    /// What crowding does to the service time.
    pub(crate) overload: Overload,
    /// Quota over time; `None` is none.
    pub(crate) rate: Option<Quota>,
    /// Quota of tokens over time, which requests of the OpenAI face cost; `None` is none.
    pub(crate) tokens_rate: Option<Quota>,
    /// How answers tell what is left of the quotas.
    pub(crate) quota_headers: QuotaHeaders,
    /// What a 503 asks the client to wait. Default 1 s: the shortest pause its header can say.
    pub(crate) retry_after: Duration,
    /// What goes wrong, and how often.
    pub(crate) faults: Faults,
    /// A save with this body always fails with status 500.
    pub(crate) fail_match: Option<String>,
    /// Whether a repeated idempotency key is answered like the first time and not stored again.
    pub(crate) idempotent: bool,
    /// Whether `/v1/chat/completions` and `/v1/embeddings` are there.
    pub(crate) openai: bool,
    /// Share of answers of that face that are an error inside a 200.
    pub(crate) error_in_200: f64,
    /// Whether `/things/{id}` is there.
    pub(crate) rest: bool,
    /// Whether `/_bulk` is there.
    pub(crate) bulk: bool,
    /// How long a bearer token is good, from its first use; `None` asks for no token.
    pub(crate) token_life: Option<Duration>,
    /// Where the random numbers start. Default 1: runs repeat unless another is asked for.
    pub(crate) seed: u64,
    /// How all that changes, in order. Default: it does not.
    pub(crate) changes: Vec<Change>,
}

/// From a moment on a lab behaves differently.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// When, from the lab's start.
    pub at: Duration,
    /// How it behaves from then on.
    pub config: Config,
    /// How long it answers nothing, from then on.
    pub frozen: Duration,
}

/// What a lab says of itself before anything was measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Declared {
    /// Mean time from sent to answered of a request that is alone: service time and network.
    pub latency: Duration,
    /// Requests served at once; `None` is unbounded.
    pub capacity: Option<usize>,
    /// The best goodput in saves per second: capacity ÷ mean latency (for `contention`, at the best number inside), but
    /// never more than the rate; `None` is unbounded. Faults and bursts are not counted.
    pub goodput: Option<f64>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            network: Duration::ZERO,
            latency: Latency::default(),
            capacity: None,
            queue: None,
            overload: Overload::default(),
            rate: None,
            tokens_rate: None,
            quota_headers: QuotaHeaders::default(),
            retry_after: Duration::from_secs(1),
            faults: Faults::default(),
            fail_match: None,
            idempotent: false,
            openai: false,
            error_in_200: 0.0,
            rest: false,
            bulk: false,
            token_life: None,
            seed: 1,
            changes: Vec::new(),
        }
    }
}

impl Config {
    /// Every key that [`set`](Self::set) takes, with what a help text needs.
    pub fn keys() -> &'static [Key] {
        KEYS
    }

    /// Sets one key, such as `latency`, to a value, such as `100ms`.
    ///
    /// # Errors
    ///
    /// When the key is unknown, or the value is not valid for it or with what was set before; the configuration is then
    /// as it was.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), ConfigError> {
        let Some(found) = KEYS.iter().find(|known| known.name == key) else {
            let names: Vec<&str> = KEYS.iter().map(|known| known.name).collect();
            return Err(ConfigError::unknown_key(key, &names));
        };
        (found.set)(self, value)
            .map_err(|expected| ConfigError::invalid_value(found.name, value, expected))
    }

    /// Which requests are served, for people: `POST /add, GET /items/ANYTHING, …`.
    pub fn served(&self) -> String {
        let faces = [
            (true, "POST /add, GET /items/ANYTHING"),
            (
                self.openai,
                "POST /v1/chat/completions, POST /v1/embeddings",
            ),
            (self.rest, "GET PUT PATCH DELETE /things/ID"),
            (self.bulk, "POST /_bulk, POST /INDEX/_bulk"),
            (self.rest || self.bulk, "GET /things"),
            (true, "GET /results, GET /stats"),
        ];
        let faces = faces.into_iter().filter(|(is_on, _)| *is_on);
        faces
            .map(|(_, requests)| requests)
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// The way there and back.
    pub fn network(&self) -> Duration {
        self.network
    }

    /// The quota in requests a second, if there is one.
    pub fn quota(&self) -> Option<f64> {
        self.rate.map(|quota| quota.per_second)
    }

    /// How it changes as time passes, in order.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// The same, as if it stayed as it is.
    pub fn without_changes(&self) -> Self {
        Self {
            changes: Vec::new(),
            ..self.clone()
        }
    }

    /// What is known of this lab without measuring it.
    pub fn declared(&self) -> Declared {
        let latency = self.latency.mean();
        let served = self
            .overload
            .parallelism_best(self.capacity)
            .filter(|_| !latency.is_zero())
            .map(|parallelism| parallelism / latency.as_secs_f64());
        let quota = self.rate.map(|quota| quota.per_second);
        Declared {
            latency: latency + self.network,
            capacity: self.capacity,
            goodput: served.into_iter().chain(quota).reduce(f64::min),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(settings: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let mut config = Config::default();
        for (key, value) in settings {
            config.set(key, value)?;
        }
        Ok(config)
    }

    fn goodput(settings: &[(&str, &str)]) -> Option<f64> {
        config(settings).unwrap().declared().goodput
    }

    #[test]
    fn goodput_is_declared_exactly() {
        assert_eq!(goodput(&[]), None);
        assert_eq!(goodput(&[("latency", "100ms")]), None);
        assert_eq!(goodput(&[("capacity", "5")]), None);
        assert_eq!(
            goodput(&[("latency", "lognormal:100ms,0.5"), ("capacity", "100")]),
            Some(1000.0)
        );
        assert_eq!(
            goodput(&[("latency", "100ms"), ("capacity", "100"), ("rate", "50/s")]),
            Some(50.0)
        );
        assert_eq!(
            goodput(&[("latency", "100ms"), ("overload", "contention:0.25,0")]),
            Some(40.0)
        );
    }

    #[test]
    fn an_unknown_key_brings_the_nearest() {
        let message = |key| config(&[(key, "1")]).unwrap_err().to_string();
        assert!(
            message("capcity").starts_with(
                "unknown key `capcity`, did you mean `capacity`?; valid are scenario, network, latency, "
            )
        );
        assert!(message("after_apply").contains("`after-apply`"));
        assert!(!message("zzz").contains("did you mean"));
    }

    #[test]
    fn a_wrong_value_names_key_value_and_what_is_valid() {
        let message = |key, value| config(&[(key, value)]).unwrap_err().to_string();
        assert_eq!(
            message("capacity", "0"),
            "invalid value `0` for `capacity`: expected a whole number of at least 1, or `unbounded`"
        );
        assert!(message("fail", "120%").contains("`fail`: expected a probability"));
        assert!(message("latency", "soon").contains("lognormal:100ms,0.3"));
        assert!(message("idempotent", "maybe").contains("`true` or `false`"));
    }

    #[test]
    fn faults_make_at_most_the_whole() {
        assert!(config(&[("fail", "50%"), ("reset", "0.5")]).is_ok());
        let mut config = config(&[("fail", "50%"), ("reset", "0.4")]).unwrap();
        let before = config.clone();
        assert!(config.set("stall", "20%").is_err());
        assert_eq!(config, before);
    }

    #[test]
    fn every_key_is_described() {
        for key in Config::keys() {
            assert!(
                !key.help.is_empty() && !key.help.ends_with('.'),
                "{}",
                key.name
            );
        }
    }
}
