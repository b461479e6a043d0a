//! Why an attempt failed, with its verdict: the one word that retry, limit and outage read.
//!
//! The connector decides the verdict, because only it knows the service. Nobody parses the message.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::key::Key;

/// What a failed attempt means for the item, the stage and the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Trying again cannot help: bad input, a constraint, most 4xx. The item becomes a dead letter.
    Permanent,
    /// The service failed at it this time, and said so (a 5xx). Tried again, a bounded number of times.
    Transient,
    /// The service asks for less (429, 503). Tried again and never counted as an attempt.
    Overload,
    /// The request may or may not have taken effect: cut or timed out after it was sent.
    InDoubt,
    /// Nothing was sent: refused, no route, no such host. The service's fault, never an item's attempt.
    Unreached,
}

impl Verdict {
    /// What it means, for people.
    pub fn words(self) -> &'static str {
        match self {
            Verdict::Permanent => "failed for good",
            Verdict::Transient => "failed this time",
            Verdict::Overload => "refused: the service asks for less",
            Verdict::InDoubt => "cut off, may have taken effect",
            Verdict::Unreached => "not reached, nothing was sent",
        }
    }
}

/// Why one attempt at one request, or one computation, failed.
///
/// It is one pointer wide, so that results stay small. Any error turns into a fault with `?`: unreached if the
/// system refused the connection, else transient, the choice that neither loses an item nor repeats it for
/// ever. A connector that knows better says so.
///
/// ```
/// use inflight::{Fault, Verdict};
///
/// fn parse(line: &str) -> Result<u32, Fault> {
///     line.parse().map_err(|e| Fault::permanent("not a number").because(e))
/// }
/// assert_eq!(parse("x").unwrap_err().verdict(), Verdict::Permanent);
/// ```
#[derive(Clone)]
pub struct Fault(Box<Inner>);

#[derive(Clone)]
struct Inner {
    verdict: Verdict,
    message: String,
    reason: Option<Cow<'static, str>>,
    retry_after: Option<Duration>,
    ends_run: Option<Ends>,
    is_answered: bool,
    hint: Option<Hint>,
    item: Option<Key>,
    cause: Option<Arc<dyn Error + Send + Sync>>,
}

/// Why a fault is the end of the run, whatever its verdict: neither the item nor a service that is away is to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ends {
    /// What is written here, on this machine, cannot be written.
    Storage,
    /// Another run of the same job has taken over.
    Superseded,
    /// Trying again cannot help, with this item or any other.
    Hopeless,
}

/// What the limit wants to know of a fault beyond its verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hint {
    Stale,
    Quota,
    TimedOut,
    TooLarge,
    NoMoreConnections,
    NotByLoad,
}

impl Fault {
    /// A fault with this verdict. The message is a lower-case fragment without a full stop.
    pub fn new(verdict: Verdict, message: impl Into<String>) -> Fault {
        Fault(Box::new(Inner {
            verdict,
            message: message.into(),
            reason: None,
            retry_after: None,
            ends_run: None,
            is_answered: false,
            hint: None,
            item: None,
            cause: None,
        }))
    }

    /// Trying again cannot help.
    pub fn permanent(message: impl Into<String>) -> Fault {
        Fault::new(Verdict::Permanent, message)
    }

    /// The service failed this time.
    pub fn transient(message: impl Into<String>) -> Fault {
        Fault::new(Verdict::Transient, message)
    }

    /// The service asks for less.
    pub fn overload(message: impl Into<String>) -> Fault {
        Fault::new(Verdict::Overload, message)
    }

    /// The request was sent and its effect is unknown.
    pub fn in_doubt(message: impl Into<String>) -> Fault {
        Fault::new(Verdict::InDoubt, message)
    }

    /// Nothing was sent: the service could not be reached.
    pub fn unreached(message: impl Into<String>) -> Fault {
        Fault::new(Verdict::Unreached, message)
    }

    /// A file or database of this machine cannot be written: the disk is full, or failed. The run ends at once, with
    /// [`Ending::Storage`](crate::Ending::Storage); the item is left as it was, to be done when there is room.
    pub fn storage(message: impl Into<String>) -> Fault {
        let mut fault = Fault::transient(message);
        fault.0.ends_run = Some(Ends::Storage);
        fault
    }

    /// Another run of the same job has taken over the place where results are saved, and nothing was saved. The run ends
    /// at once, with [`Ending::Halted`](crate::Ending::Halted), and leaves the item to the other.
    pub fn superseded(message: impl Into<String>) -> Fault {
        let mut fault = Fault::transient(message);
        fault.0.ends_run = Some(Ends::Superseded);
        fault
    }

    /// Trying again cannot help, and no item is to blame: bad credentials, a table that is missing, a certificate that is refused.
    /// The run ends at once, with [`Ending::Halted`](crate::Ending::Halted) and this message, after the answers to what is in flight.
    /// The item is left, to be done by a later run. A fetch, a computation and a save may return it, and [`Service::connect`](crate::Service::connect).
    ///
    /// Say in the message what is wrong and what to do about it.
    ///
    /// ```
    /// use inflight::{Ending, Fault, Job, Options};
    ///
    /// let job = Job::new(0..1000).compute(|n: i32| n);
    /// let refused = async |_: &i32| Err::<(), _>(Fault::stops_run("the token was refused; renew it and run again"));
    /// let summary = job.save(refused).run(&Options::default())?;
    /// assert!(matches!(summary.ending, Ending::Halted(_)));
    /// assert_eq!((summary.dead, summary.left), (0, 1000));
    /// # Ok::<(), inflight::Error>(())
    /// ```
    pub fn stops_run(message: impl Into<String>) -> Fault {
        let mut fault = Fault::transient(message);
        fault.0.ends_run = Some(Ends::Hopeless);
        fault
    }

    /// No further connection can be had, though the service is there: it has too many clients, or this process may open no more
    /// files. For [`Service::connect`](crate::Service::connect). While other connections are open, the run goes on with those and
    /// says so once; the item that was to be sent goes to one of them. Where none is open, this means what
    /// [`Fault::unreached`] means.
    ///
    /// An `EMFILE` or `ENFILE` of the system, anywhere among the causes of a fault, is known for what it is without this.
    pub fn no_more_connections(message: impl Into<String>) -> Fault {
        let mut fault = Fault::unreached(message).counted_as("no further connection");
        fault.0.hint = Some(Hint::NoMoreConnections);
        fault
    }

    /// The request was sent, and no answer came within this time.
    pub(crate) fn timed_out(deadline: Duration) -> Fault {
        let mut fault = Fault::in_doubt(format!("no answer within {deadline:.0?} (--timeout)"))
            .counted_as("no answer in time");
        fault.0.hint = Some(Hint::TimedOut);
        fault
    }

    /// A panic in the user's code, caught: the same input would panic again.
    pub(crate) fn panicked(panic: &(dyn std::any::Any + Send)) -> Fault {
        let text = panic
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        Fault::permanent(format!("panicked: {}", text.unwrap_or("without a message")))
            .counted_as("panicked")
    }

    /// Keeps the error that led to this fault; it is printed after the message.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Fault {
        self.0.cause = Some(Arc::from(cause.into()));
        self
    }

    /// The service asks for less because of a quota over time (429), not because too much is inside: fewer in flight would
    /// not help, sending more slowly will.
    #[must_use]
    pub fn by_quota(mut self) -> Fault {
        self.0.hint = Some(Hint::Quota);
        self
    }

    /// The service refuses for another reason than how much is in flight, such as who asks: the limit stays where it is. Means
    /// something of an overload.
    #[must_use]
    pub fn not_by_load(mut self) -> Fault {
        self.0.hint = Some(Hint::NotByLoad);
        self
    }

    /// The request held too much (413), not anything bad: half as many records may travel together from now on, for good. Means
    /// something of a permanent fault of a request with several.
    #[must_use]
    pub fn too_large(mut self) -> Fault {
        self.0.hint = Some(Hint::TooLarge);
        self
    }

    /// What a report counts it as: a few words that are the same for every item, and hold nothing of any.
    /// Default: the verdict in words.
    #[must_use]
    pub fn counted_as(mut self, reason: impl Into<Cow<'static, str>>) -> Fault {
        self.0.reason = Some(reason.into());
        self
    }

    /// The connection had answered before, and was closed at the moment this request went over it, before a byte of an
    /// answer came: it was most likely closed for having been idle. The engine tries once more at once, on a connection
    /// that is opened anew, within the same attempt. A request that may have arrived all the same says so with its verdict,
    /// and is counted as in doubt.
    #[must_use]
    pub fn stale(mut self) -> Fault {
        self.0.hint = Some(Hint::Stale);
        self
    }

    /// How long the service asked to be left alone (at most an hour). The whole stage waits that long if the limit was set, if
    /// a quota is the reason, or if most requests are refused; else only this one.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Fault {
        self.0.retry_after = Some(wait);
        self
    }

    /// The service itself answered, if only to say that it failed at this: a whole HTTP answer, an error of a database. It is there,
    /// so this is more likely about the item than about the service. Not for what a gateway says of a service behind it (502, 504).
    #[must_use]
    pub fn answered(mut self) -> Fault {
        self.0.is_answered = true;
        self
    }

    /// The same fault of a request that may have taken effect, whatever was its verdict.
    #[must_use]
    pub fn but_in_doubt(mut self) -> Fault {
        self.0.verdict = Verdict::InDoubt;
        self
    }

    /// Which item it is about, where a source cannot hand over the item itself: a job that knows items by keys knows this one by
    /// this key in a later run, wherever it stands then. Default: it is known by the message.
    #[must_use]
    pub fn of_item(mut self, key: Key) -> Fault {
        self.0.item = Some(key);
        self
    }

    /// Which item a source could not hand over.
    pub(crate) fn item(&self) -> Key {
        self.0.item.unwrap_or_else(|| Key::of(self.to_string()))
    }

    /// Whether the run must end, and why.
    pub(crate) fn ends_run(&self) -> Option<Ends> {
        self.0.ends_run
    }

    /// What the fault means.
    pub fn verdict(&self) -> Verdict {
        self.0.verdict
    }

    /// Whether a quota over time was the reason.
    pub fn is_by_quota(&self) -> bool {
        self.0.hint == Some(Hint::Quota)
    }

    /// Whether how much is in flight had nothing to do with it.
    pub fn is_not_by_load(&self) -> bool {
        self.0.hint == Some(Hint::NotByLoad)
    }

    /// Whether the service itself answered.
    pub(crate) fn is_answered(&self) -> bool {
        self.0.is_answered
    }

    /// Whether it was that no answer came in time.
    pub(crate) fn is_timeout(&self) -> bool {
        self.0.hint == Some(Hint::TimedOut)
    }

    /// Whether it was that a connection which had been kept was closed meanwhile.
    pub fn is_stale(&self) -> bool {
        self.0.hint == Some(Hint::Stale)
    }

    /// Whether it was that the request held too much.
    pub(crate) fn is_too_large(&self) -> bool {
        self.0.hint == Some(Hint::TooLarge)
    }

    /// Whether it was that no further connection could be had, though others may be open.
    pub(crate) fn is_no_more_connections(&self) -> bool {
        let causes = std::iter::successors(self.cause(), |&cause| cause.source());
        self.0.hint == Some(Hint::NoMoreConnections) || causes.into_iter().any(is_out_of_files)
    }

    fn cause(&self) -> Option<&(dyn Error + 'static)> {
        let cause = self.0.cause.as_deref();
        cause.map(|cause| cause as &(dyn Error + 'static))
    }

    /// The error that led to this fault, if one was kept.
    pub fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause()
    }

    /// What a report counts it as; see [`Fault::counted_as`].
    pub fn reason(&self) -> &str {
        match &self.0.reason {
            Some(reason) => reason,
            None => self.0.verdict.words(),
        }
    }

    /// What the service asked for, if it did.
    pub fn wait_asked(&self) -> Option<Duration> {
        self.0.retry_after
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        let mut next = self.cause();
        while let Some(cause) = next {
            write!(f, ": {cause}")?;
            next = cause.source();
        }
        Ok(())
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.0.verdict)
    }
}

// Fault itself is no `Error`: that is what lets every error become one.
impl<E: Error + Send + Sync + 'static> From<E> for Fault {
    fn from(error: E) -> Fault {
        let verdict = match was_reached(&error) {
            true => Verdict::Transient,
            false => Verdict::Unreached,
        };
        Fault::new(verdict, "attempt failed").because(error)
    }
}

/// Whether anything can have been sent: not if the system says that no connection came about.
fn was_reached(error: &(dyn Error + 'static)) -> bool {
    use std::io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable};
    let causes = std::iter::successors(Some(error), |&error| error.source());
    let mut kinds = causes
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .map(std::io::Error::kind);
    !kinds.any(|kind| [ConnectionRefused, HostUnreachable, NetworkUnreachable].contains(&kind))
}

/// Whether the process, or the system, may open no more files: `EMFILE` and `ENFILE`, the same numbers on every Unix.
fn is_out_of_files(error: &(dyn Error + 'static)) -> bool {
    let Some(error) = error.downcast_ref::<std::io::Error>() else {
        return false;
    };
    let is_it = cfg!(unix) && matches!(error.raw_os_error(), Some(23 | 24));
    // What an error of the system holds is not among the causes it tells.
    is_it || error.get_ref().is_some_and(|inner| is_out_of_files(inner))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_one_pointer_and_prints_its_causes() {
        assert_eq!(size_of::<Fault>(), size_of::<usize>());
        let fault = Fault::in_doubt("connection cut").because(std::io::Error::other("reset"));
        assert_eq!(fault.to_string(), "connection cut: reset");
    }

    #[test]
    fn a_report_counts_faults_by_what_all_of_them_share() {
        let fault = Fault::permanent("row 7 holds no name");
        assert_eq!(fault.reason(), "failed for good");
        assert_eq!(fault.counted_as("no name").reason(), "no name");
    }

    #[test]
    fn any_error_is_transient_unless_somebody_knows_better() {
        let fault: Fault = std::io::Error::other("odd").into();
        assert_eq!(fault.verdict(), Verdict::Transient);
        let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        assert_eq!(Fault::from(refused).verdict(), Verdict::Unreached);
    }

    #[test]
    fn too_many_open_files_are_known_however_deep_they_lie() {
        let system = std::io::Error::from_raw_os_error(24);
        let wrapped = std::io::Error::other(system);
        let fault = Fault::unreached("cannot connect").because(wrapped);
        assert!(fault.is_no_more_connections());
        assert!(Fault::no_more_connections("too many clients").is_no_more_connections());
        let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        assert!(!Fault::from(refused).is_no_more_connections());
    }
}
