//! How far a replica is behind.

use std::time::Duration;

use inflight::Fault;

use super::address::Address;
use super::link::Opener;
use super::verdict;
use crate::brake::BrakeReading;

/// Seconds; below zero where this is no replica. One that has replayed all that it received is not behind, however long ago
/// the last transaction was.
const LAG: &str = "\
SELECT CASE WHEN NOT pg_is_in_recovery() THEN -1 \
    WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0 \
    ELSE COALESCE(EXTRACT(EPOCH FROM clock_timestamp() - pg_last_xact_replay_timestamp()), 0) END::float8";

/// A replica, and how far it may be behind.
pub(crate) struct Lag {
    opener: Opener,
    most: Duration,
    shown: String,
}

impl Lag {
    /// `postgres://USER@HOST/DATABASE?lag<5s`.
    pub(crate) fn parse(text: &str) -> Result<Lag, String> {
        let env = |name: &str| std::env::var(name).ok();
        // What a query of an address holds are names and values.
        let text = text.replace("lag<", "lag=");
        let (address, parameters) = Address::parse(&text, &["lag"], env)?;
        let lag = parameters.iter().find(|(name, _)| name == "lag");
        let (_, lag) = lag.ok_or("says not how far the replica may be behind; add '?lag<5s'")?;
        let most = humantime::parse_duration(lag.trim_start_matches('<'))
            .map_err(|why| format!("lag<{lag} is no duration: {why}"))?;
        Ok(Lag {
            opener: Opener::new(&address)?,
            most,
            shown: address.to_string(),
        })
    }

    pub(crate) fn ask(&self, answer_max: Duration) -> Result<BrakeReading, Fault> {
        let place = &self.shown;
        let late = |_| Fault::unreached(format!("no answer of {place} within {answer_max:?}"));
        let seconds = self.opener.alone(async |link| {
            let asked = link.client.query_one(LAG, &[]);
            let row = tokio::time::timeout(answer_max, asked)
                .await
                .map_err(late)?;
            row.map(|row| row.get::<_, f64>(0))
                .map_err(|cause| verdict::refused(place, &cause))
        })?;
        if seconds < 0.0 {
            return Err(Fault::permanent(format!(
                "{place} is no replica: it is not in recovery"
            )));
        }
        Ok(match Duration::try_from_secs_f64(seconds) {
            Ok(lag) if lag < self.most => BrakeReading::Go,
            _ => BrakeReading::Hold(format!("{place} is {seconds:.1} s behind")),
        })
    }
}
