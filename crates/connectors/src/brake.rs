//! What is asked whether a run may go on: how far a replica of Postgres is behind, a URL, or a command.

use std::time::Duration;

use inflight::Fault;

use crate::error::Error;

/// How long an answer may take. One that takes longer is none, and the run is held.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// Says whether a run may go on.
///
/// ```
/// use inflight_connectors::{BrakeGauge, BrakeReading};
///
/// # if cfg!(feature = "exec") {
/// let gauge = BrakeGauge::parse("exec:test -e /")?;
/// assert_eq!(gauge.ask().expect("it can be asked"), BrakeReading::Go);
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct BrakeGauge(Asked);

enum Asked {
    /// `postgres://USER@HOST/DATABASE?lag<5s`: a replica.
    #[cfg(feature = "postgres")]
    Lag(Box<crate::postgres::Lag>),
    /// `http://…`: any answer that is no success holds.
    #[cfg(feature = "http")]
    Url(crate::http::HttpFetch),
    /// `exec:COMMAND`: exit code 0 goes on, 1 holds.
    #[cfg(feature = "exec")]
    Command(Vec<String>),
}

/// What was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BrakeReading {
    /// The run may go on.
    Go,
    /// It is to be held, for this reason.
    Hold(String),
}

impl std::fmt::Debug for BrakeGauge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BrakeGauge")
    }
}

impl BrakeGauge {
    /// Reads an address; connects to nothing.
    ///
    /// # Errors
    /// A sentence that names what is wrong, and what is valid.
    pub fn parse(text: &str) -> Result<BrakeGauge, Error> {
        #[cfg(feature = "exec")]
        if let Some(command) = text.strip_prefix("exec:") {
            let words = shlex::split(command).filter(|words| !words.is_empty());
            let words = words.ok_or("exec: needs a command, with its quotes closed")?;
            return Ok(BrakeGauge(Asked::Command(words)));
        }
        #[cfg(feature = "postgres")]
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            let lag = crate::postgres::Lag::parse(text)?;
            return Ok(BrakeGauge(Asked::Lag(Box::new(lag))));
        }
        #[cfg(feature = "http")]
        if text.starts_with("http://") || text.starts_with("https://") {
            let settings = crate::http::FetchSettings {
                // A request must have something of its item in it.
                headers: vec!["X-Asked-By: {}".to_owned()],
                ..crate::http::FetchSettings::default()
            };
            let fetch = crate::http::HttpFetch::new(text, &settings)?;
            return Ok(BrakeGauge(Asked::Url(fetch)));
        }
        Err("asks 'postgres://USER@HOST/DATABASE?lag<5s', a URL, or exec:COMMAND".into())
    }

    /// Asks, and waits for the answer, 5 s at most.
    ///
    /// # Errors
    /// When nobody can be asked.
    pub fn ask(&self) -> Result<BrakeReading, Fault> {
        match &self.0 {
            #[cfg(feature = "postgres")]
            Asked::Lag(lag) => lag.ask(ANSWER_MAX),
            #[cfg(feature = "http")]
            Asked::Url(fetch) => url(fetch),
            #[cfg(feature = "exec")]
            Asked::Command(words) => command(words),
        }
    }
}

#[cfg(feature = "http")]
fn url(fetch: &crate::http::HttpFetch) -> Result<BrakeReading, Fault> {
    use inflight::{Connection, Record, Reply, Service, Verdict};

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|cause| Fault::permanent("cannot ask a URL").because(cause))?;
    let asked = runtime.block_on(async {
        let asking = async {
            let mut connection = fetch.connect().await?;
            let asked_by = Record::new(0, crate::payload::Payload::read("inflight"));
            connection.send(&[asked_by]).await
        };
        tokio::time::timeout(ANSWER_MAX, asking).await
    });
    let reply = asked.unwrap_or_else(|_| Err(late()));
    let fault = match reply {
        Ok(Reply::All(_)) => None,
        Ok(Reply::Each(outcomes)) => outcomes.into_iter().find_map(Result::err),
        Err(fault) => Some(fault),
    };
    match fault {
        None => Ok(BrakeReading::Go),
        Some(fault) if fault.verdict() == Verdict::Unreached => Err(fault),
        Some(fault) => Ok(BrakeReading::Hold(fault.to_string())),
    }
}

#[cfg(feature = "exec")]
fn command(words: &[String]) -> Result<BrakeReading, Fault> {
    use std::process::{Command, Stdio};
    use std::time::Instant;

    /// Between two looks whether a command has ended.
    const LOOK_EVERY: Duration = Duration::from_millis(20);

    let failed = |cause| Fault::permanent(format!("cannot run {}", words[0])).because(cause);
    let mut child = Command::new(&words[0])
        .args(&words[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .map_err(failed)?;
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            break status;
        }
        if begun.elapsed() > ANSWER_MAX {
            // It may have ended just now.
            let _ = child.kill();
            child.wait().map_err(failed)?;
            return Err(late());
        }
        std::thread::sleep(LOOK_EVERY);
    };
    match status.code() {
        Some(0) => Ok(BrakeReading::Go),
        Some(1) => Ok(BrakeReading::Hold(format!("{} says so", words[0]))),
        _ => Err(Fault::permanent(format!(
            "{} ended with {status}",
            words[0]
        ))),
    }
}

#[cfg(any(feature = "http", feature = "exec"))]
fn late() -> Fault {
    Fault::unreached(format!("no answer within {ANSWER_MAX:?}"))
}
