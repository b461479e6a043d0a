//! Who asks: headers whose secrets are read again when a service refuses them, and whether an item or the secret is to blame.
//!
//! A token that expires is no fault of the item that noticed it. The secrets are read again and the request is sent once more.
//! When that is refused too, the evidence decides: if a request that was sent later was served, the service knows who asks and
//! refuses this item; if nothing but refusals comes, the run stops. It never waits: what is undecided goes back to the engine.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use inflight::Fault;

use super::answer::Refusal;
use super::head::{Head, HeadSpec};
use super::secret::scheme_and_place;
use crate::secret::is_place;

/// How long nothing but refusals may come. Long enough for whoever renews a token in the background to be a little late, short
/// enough that a run with a wrong token stops before somebody has gone for coffee.
const REFUSED_MAX: Duration = Duration::from_secs(3);

/// Items that are refused in a row without anybody waiting, so that others are tried meanwhile: one that is served shows that
/// it is the items that are refused. More than a few forbidden items side by side are rare, and a service that hears too
/// often from somebody it does not know may shut him out.
const IN_A_ROW_MAX: u32 = 8;

/// Forbidden items that may be the last of a run. Of more, or of a token that has expired, others would have been tried and refused too.
const FEW: usize = 8;

/// How soon a request is sent again after that.
const AGAIN_AFTER: Duration = Duration::from_millis(500);

/// Secrets are read again at most so often: whoever refuses all refuses many at once, and a command may be slow.
const READ_AGAIN_AFTER: Duration = Duration::from_millis(200);

/// How long secrets may be missing while they are read again: whoever renews a token may be writing its file just now.
const MISSING_MAX: Duration = Duration::from_secs(1);
/// Between two tries to read them.
const MISSING_PAUSE: Duration = Duration::from_millis(50);

/// The headers of all requests of one kind, and what is known of how they fare.
pub(super) struct Credentials {
    current: RwLock<Arc<Head>>,
    /// What they are made of, again when a service refuses them.
    spec: HeadSpec,
    /// Requests sent so far.
    sent: AtomicU64,
    /// The number of the latest request that was served.
    served: AtomicU64,
    /// Held while secrets are read; when that was done last.
    reading: tokio::sync::Mutex<Option<Instant>>,
    refused: Mutex<Refused>,
}

/// What is known of refusals that nothing explains yet.
#[derive(Default)]
struct Refused {
    /// What was the latest request served when they began, and when that was.
    since: Option<(u64, Instant)>,
    /// How many there were since.
    in_a_row: u32,
    /// The items that were refused since, as far as they are few.
    which: HashSet<u64>,
    /// Of each item: how many requests had been sent when it was first refused, and with which reading of the secrets.
    items: HashMap<u64, (u64, u64)>,
}

/// Items that are remembered; more are forgotten, and then decided later.
const ITEMS_MAX: usize = 10_000;

/// One request that is on its way with these headers.
pub(super) struct Sent {
    pub(super) head: Arc<Head>,
    number: u64,
}

impl Credentials {
    pub(super) fn new(spec: HeadSpec) -> Result<Credentials, String> {
        let head = Head::new(&spec)?;
        Ok(Credentials {
            current: RwLock::new(Arc::new(head)),
            spec,
            sent: AtomicU64::new(0),
            served: AtomicU64::new(0),
            reading: tokio::sync::Mutex::new(None),
            refused: Mutex::default(),
        })
    }

    /// The headers as typed.
    pub(super) fn lines(&self) -> &[String] {
        &self.spec.lines
    }

    pub(super) fn head(&self) -> Arc<Head> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The headers for a request that is sent now.
    pub(super) fn send(&self) -> Sent {
        Sent {
            head: self.head(),
            number: self.sent.fetch_add(1, Relaxed) + 1,
        }
    }

    /// The service has done what was asked.
    pub(super) fn accepted(&self, sent: &Sent) {
        self.served.fetch_max(sent.number, Relaxed);
    }

    /// The service has refused who asks. Reads the secrets again, unless somebody has done so meanwhile or just before.
    ///
    /// Fails when they cannot be read: the run stops, and the message names the place.
    pub(super) async fn read_again(&self, refused: &Sent) -> Result<(), Fault> {
        let mut reading = self.reading.lock().await;
        let is_recent = reading.is_some_and(|at| at.elapsed() < READ_AGAIN_AFTER);
        let before = self.head();
        if before.reading != refused.head.reading || is_recent || !before.has_secrets() {
            return Ok(());
        }
        // Files and commands block, and this thread serves all requests.
        let spec = self.spec.clone();
        let read = tokio::task::spawn_blocking(move || read_renewed(&spec)).await;
        let stopped = |why: String| {
            Fault::stops_run(format!(
                "credentials were refused and cannot be read again: {why}"
            ))
        };
        let mut head = read
            .map_err(|cause| stopped(cause.to_string()))?
            .map_err(stopped)?;
        head.reading = before.reading + 1;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(head);
        *reading = Some(Instant::now());
        Ok(())
    }

    /// The number that requests sent from now on exceed.
    pub(super) fn now(&self) -> u64 {
        self.sent.load(Relaxed)
    }

    /// What it means that this item was refused twice, first when so many requests had been sent.
    pub(super) fn judge(
        &self,
        index: u64,
        sent: &Sent,
        first_refused_at: u64,
        refusal: Refusal,
    ) -> Fault {
        let is_forbidden = refusal.is_forbidden;
        let refusal = refusal.fault;
        let served = self.served.load(Relaxed);
        let reading = sent.head.reading;
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let known = refused.items.get(&index);
        let first = match known {
            Some((first, with)) if *with == reading => *first,
            _ => first_refused_at,
        };
        if served > first {
            // Somebody else was served since: the service knows who asks, and refuses this item.
            refused.items.remove(&index);
            return refusal;
        }
        if refused.items.len() >= ITEMS_MAX {
            refused.items.clear();
        }
        refused.items.insert(index, (first, reading));
        let since = match refused.since {
            Some((at, since)) if at == served => since,
            _ => {
                let now = Instant::now();
                (refused.since, refused.in_a_row) = (Some((served, now)), 0);
                refused.which.clear();
                now
            }
        };
        refused.in_a_row += 1;
        if refused.which.len() <= FEW {
            refused.which.insert(index);
        }
        if since.elapsed() < REFUSED_MAX {
            let undecided = Fault::overload(refusal.to_string())
                .counted_as(refusal.reason().to_owned())
                .not_by_load();
            return if refused.in_a_row <= IN_A_ROW_MAX {
                undecided
            } else {
                undecided.retry_after(AGAIN_AFTER)
            };
        }
        // Who was served before and is forbidden a few items (403) is known, where no other item was tried beside them all that time:
        // one thing at a time, or the last items of a run. Else no later run could finish either.
        if is_forbidden && served > 0 && refused.which.len() <= FEW {
            refused.items.remove(&index);
            return refusal;
        }
        Fault::stops_run(format!("{refusal}; {}", self.way_out()))
    }

    /// Which credentials were refused, and what to do.
    fn way_out(&self) -> String {
        let places: Vec<&str> = self
            .spec
            .lines
            .iter()
            .filter_map(|line| {
                let (_, value) = line.split_once(':')?;
                let (_, place) = scheme_and_place(value.trim());
                is_place(place.trim_start()).then(|| line.trim())
            })
            .collect();
        let which = match (&places[..], &self.spec.url.credentials) {
            ([], None) => "no credentials were sent; add one, as in --header 'Authorization: Bearer env:TOKEN'".to_owned(),
            ([], Some(_)) => "user and password of the address were refused; correct them".to_owned(),
            (places, _) => format!(
                "the credentials were refused also after they were read again ({}); renew them",
                places.join(", ")
            ),
        };
        format!(
            "{which}, and the same command goes on; if these items are forbidden, --fail-status with that status makes dead letters of them"
        )
    }
}

/// Headers with the secrets as they are now, or will be within a second.
fn read_renewed(spec: &HeadSpec) -> Result<Head, String> {
    let begun = Instant::now();
    loop {
        match Head::new(spec) {
            Err(_) if begun.elapsed() < MISSING_MAX => std::thread::sleep(MISSING_PAUSE),
            outcome => return outcome,
        }
    }
}
