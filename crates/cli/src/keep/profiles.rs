//! What runs have learnt of services, kept for the next: one small file for each endpoint, operation and bulk size.
//!
//! A profile is only where to begin. It is not believed when it is old, and the limit itself stops believing it as soon as
//! answers take much longer than it says. What cannot be read or written is told with -v, and is no reason to fail.

use std::fs::{self, DirBuilder};
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use inflight::limit::Learnt;
use inflight::{InFlightLimit, Options, Summary};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::job::work::Work;
use crate::terminal::messages::Messages;

/// A profile is not believed after this: in a week most services are deployed anew, or get another load.
const AGE_MAX: Duration = Duration::from_secs(7 * 86_400);
/// What no run finds is none of ours either: more in flight than may be allowed, an answer after more than an hour.
const LIMIT_MAX: f64 = 65_536.0;
const LATENCY_MAX_MS: f64 = 3.6e6;
/// Larger files are none of ours.
const BYTES_MAX: u64 = 64 << 10;

/// The profiles of one job's services.
#[derive(Debug)]
pub(crate) struct Profiles {
    folder: PathBuf,
    save: Key,
    fetch: Option<Key>,
    messages: Messages,
}

/// What a profile is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Key {
    /// Without user, password and query.
    endpoint: String,
    operation: String,
    /// The most records in one request; 0 is what the sink takes, or what is found.
    bulk: usize,
}

/// A profile as it is written.
#[derive(Debug, Serialize, Deserialize)]
struct Profile {
    version: u32,
    #[serde(flatten)]
    key: Key,
    /// Seconds since 1970.
    found_unix_s: u64,
    limit: f64,
    latency_ms: f64,
    goodput_per_s: Option<f64>,
    rate_per_s: Option<f64>,
    /// Whether more in flight might still have paid.
    #[serde(default)]
    is_rising: bool,
    /// Records in one request, where they were found.
    #[serde(default)]
    bulk_found: Option<usize>,
    /// Records in a request in the mean, of those whose latency it is.
    records: f64,
}

impl Profiles {
    /// The profiles of a job, if its limit is to be found and there is a place for them.
    pub(crate) fn of(
        work: &Work,
        options: &Options,
        folder: Option<PathBuf>,
        messages: &Messages,
    ) -> Option<Profiles> {
        let key = |address: &str, operation: &str| Key {
            endpoint: endpoint(address),
            operation: operation.to_owned(),
            bulk: options.bulk.unwrap_or(0),
        };
        (options.in_flight == InFlightLimit::Auto).then_some(())?;
        Some(Profiles {
            folder: folder?,
            save: key(&work.save_shown, "save"),
            fetch: work.fetch_shown.as_deref().map(|fetch| key(fetch, "fetch")),
            messages: messages.clone(),
        })
    }

    /// Lets a run begin with what earlier ones have learnt.
    pub(crate) fn recall(&self, options: &mut Options) {
        options.learnt_save = self.read(&self.save);
        options.learnt_fetch = self.fetch.as_ref().and_then(|key| self.read(key));
    }

    /// Keeps what this run has learnt.
    pub(crate) fn remember(&self, summary: &Summary) {
        let fetch = self.fetch.as_ref().zip(summary.learnt_fetch);
        for (key, learnt) in summary
            .learnt
            .map(|learnt| (&self.save, learnt))
            .into_iter()
            .chain(fetch)
        {
            if let Err(error) = self.write(key, learnt) {
                let file = self.file(key);
                self.messages.detail(format_args!(
                    "failed to keep the profile {}: {error}",
                    file.display()
                ));
            }
        }
    }

    fn read(&self, key: &Key) -> Option<Learnt> {
        let file = self.file(key);
        let size = fs::metadata(&file).ok()?.len();
        let text = (size <= BYTES_MAX).then(|| fs::read(&file).ok()).flatten();
        let profile: Option<Profile> = text.and_then(|text| serde_json::from_slice(&text).ok());
        let Some(profile) = profile.filter(|profile| profile.version == 1 && profile.key == *key)
        else {
            self.messages.detail(format_args!(
                "the profile {} is none; finding the limit anew",
                file.display()
            ));
            return None;
        };
        // A clock that was wrong then, or is now, says as little as an old one.
        let age = now().abs_diff(Duration::from_secs(profile.found_unix_s));
        let what = format!("{} of {}", key.operation, key.endpoint);
        if age > AGE_MAX {
            let days = age.as_secs() / 86_400;
            self.messages.detail(format_args!(
                "{what}: what was learnt is {days} days old; finding the limit anew"
            ));
            return None;
        }
        let learnt = profile.learnt()?;
        self.messages.detail(format_args!(
            "{what}: beginning with {:.0} in flight, as an earlier run found",
            learnt.limit
        ));
        Some(learnt)
    }

    /// Written beside and renamed, so that it is always whole, and readable by its owner only.
    fn write(&self, key: &Key, learnt: Learnt) -> std::io::Result<()> {
        let profile = Profile {
            version: 1,
            key: key.clone(),
            found_unix_s: now().as_secs(),
            limit: learnt.limit,
            latency_ms: learnt.latency.as_secs_f64() * 1e3,
            goodput_per_s: learnt.goodput,
            rate_per_s: learnt.rate,
            is_rising: learnt.is_rising,
            bulk_found: learnt.bulk,
            records: learnt.records,
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder)?;
        // A temporary file is for its owner only from the beginning.
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        serde_json::to_writer(&mut file, &profile)?;
        file.write_all(b"\n")?;
        file.persist(self.file(key))?;
        Ok(())
    }

    fn file(&self, key: &Key) -> PathBuf {
        let named = format!("{}\n{}\n{}", key.endpoint, key.operation, key.bulk);
        self.folder
            .join(format!("{:016x}.json", xxh3_64(named.as_bytes())))
    }
}

impl Profile {
    /// What it says, if that can be.
    fn learnt(&self) -> Option<Learnt> {
        let is_plain = |figure: f64| figure.is_finite() && figure > 0.0;
        let optional = |figure: Option<f64>| figure.filter(|figure| is_plain(*figure));
        let valid = is_plain(self.limit)
            && is_plain(self.latency_ms)
            && is_plain(self.records)
            && self.limit <= LIMIT_MAX
            && self.latency_ms <= LATENCY_MAX_MS;
        valid.then_some(Learnt {
            limit: self.limit.max(1.0),
            latency: Duration::try_from_secs_f64(self.latency_ms / 1e3).ok()?,
            goodput: optional(self.goodput_per_s),
            rate: optional(self.rate_per_s),
            is_rising: self.is_rising,
            bulk: self.bulk_found.filter(|bulk| *bulk > 0),
            records: self.records.max(1.0),
        })
    }
}

/// The folder of profiles, if the environment names one.
pub(crate) fn folder() -> Option<PathBuf> {
    crate::keep::state::folder("profiles")
}

/// An address without its query, which may hold secrets; of a lab all is kept, because its query is what it is.
fn endpoint(shown: &str) -> String {
    match shown.split_once('?') {
        Some((place, _)) if !shown.starts_with("lab:") => place.to_owned(),
        _ => shown.to_owned(),
    }
}

fn now() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use std::path::Path;

    use super::*;

    const LEARNT: Learnt = Learnt {
        limit: 104.5,
        latency: Duration::from_millis(100),
        goodput: Some(990.0),
        rate: None,
        is_rising: false,
        bulk: Some(256),
        records: 240.5,
    };

    fn profiles(folder: &Path) -> Profiles {
        Profiles {
            folder: folder.join("profiles"),
            save: key("save"),
            fetch: None,
            messages: Messages::silent(),
        }
    }

    fn key(operation: &str) -> Key {
        Key {
            endpoint: endpoint("http://example.org/add?token=x"),
            operation: operation.to_owned(),
            bulk: 0,
        }
    }

    #[test]
    fn what_was_learnt_comes_back_and_tells_no_secret() {
        let folder = tempfile::tempdir().unwrap();
        let profiles = profiles(folder.path());
        assert_eq!(profiles.read(&key("save")), None);
        profiles.write(&key("save"), LEARNT).unwrap();
        assert_eq!(profiles.read(&key("save")), Some(LEARNT));
        assert_eq!(profiles.read(&key("fetch")), None);
        let file = profiles.file(&key("save"));
        assert!(!fs::read_to_string(&file).unwrap().contains("token"));
        assert_eq!(
            fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let left: Vec<_> = fs::read_dir(folder.path().join("profiles"))
            .unwrap()
            .collect();
        assert_eq!(left.len(), 1, "nothing is left beside it");
    }

    #[test]
    fn what_is_old_or_makes_no_sense_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let profiles = profiles(folder.path());
        profiles.write(&key("save"), LEARNT).unwrap();
        let file = profiles.file(&key("save"));
        let text = fs::read_to_string(&file).unwrap();
        let reads = |text: &str| {
            fs::write(&file, text).unwrap();
            profiles.read(&key("save"))
        };
        let aged = |days: u64| {
            let mut profile: serde_json::Value = serde_json::from_str(&text).unwrap();
            profile["found_unix_s"] = (now().as_secs() - days * 86_400).into();
            profile.to_string()
        };
        assert_eq!(reads(&aged(6)), Some(LEARNT));
        assert_eq!(reads(&aged(8)), None);
        assert_eq!(reads(&text.replace("104.5", "-3.0")), None);
        assert_eq!(reads(&text.replace("\"version\":1", "\"version\":2")), None);
        assert_eq!(reads("{"), None);
    }

    #[test]
    fn a_lab_is_known_by_how_it_behaves() {
        assert_eq!(endpoint("lab:?latency=1ms"), "lab:?latency=1ms");
        assert_eq!(endpoint("http://h/p?q=1"), "http://h/p");
    }
}
