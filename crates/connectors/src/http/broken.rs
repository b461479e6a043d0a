//! Why no whole answer came: how far a request got, and the fault that this is.

use std::error::Error;
use std::time::Duration;

use inflight::Fault;

/// What was the matter with a connection.
pub(super) type Cause = Box<dyn Error + Send + Sync>;

/// How soon a connection that the service had closed already shows that it is: the request takes a way there, and the
/// news one back. What breaks later was being worked on.
pub(super) const STALE_WITHIN: Duration = Duration::from_secs(1);

/// Why no whole answer came.
pub(super) enum Broken {
    /// The service has not begun with the request: it has not left, or the service says so.
    Unsent(Cause),
    /// The service has not begun with the request, because it wants less.
    Refused(Cause),
    /// The connection had been kept, and was closed as the request went over it: most likely it was closed for being idle.
    Stale {
        cause: Cause,
        /// Whether the request may have arrived all the same.
        may_have_arrived: bool,
    },
    /// It was answered, and the body of the answer cannot be read: why, behind "the answer".
    Unreadable(String),
    /// It was sent, in whole or in part.
    Sent(Cause),
}

/// What is said of a stale connection.
const CLOSED: &str = "the connection was closed as the request was sent";

/// What a report counts an answer as that came and cannot be read.
const UNREADABLE: &str = "answer cannot be read";

/// Why a request that may have had an effect brought no answer.
pub(super) fn save_broken(title: &str, broken: Broken) -> Fault {
    match broken {
        Broken::Stale {
            cause,
            may_have_arrived: true,
        } => Fault::in_doubt(format!("{title}: {CLOSED}"))
            .because(cause)
            .counted_as(CLOSED)
            .stale(),
        Broken::Sent(cause) => Fault::in_doubt(format!("{title}: no whole answer"))
            .because(cause)
            .counted_as("no whole answer"),
        Broken::Unreadable(why) => {
            Fault::permanent(format!("{title} was taken, but the answer {why}"))
                .counted_as(UNREADABLE)
        }
        other => not_handled(title, other),
    }
}

/// Why a request that has no effect brought no answer: nothing is in doubt then.
pub(super) fn fetch_broken(title: &str, broken: Broken) -> Fault {
    match broken {
        Broken::Sent(cause) => Fault::transient(format!("{title}: no whole answer"))
            .because(cause)
            .counted_as("no whole answer"),
        Broken::Unreadable(why) => {
            Fault::permanent(format!("{title}: the answer {why}")).counted_as(UNREADABLE)
        }
        other => not_handled(title, other),
    }
}

/// What happened to a request that had no effect.
fn not_handled(title: &str, broken: Broken) -> Fault {
    match broken {
        Broken::Refused(cause) => {
            Fault::overload(format!("{title}: the service took no more requests"))
                .because(cause)
                .counted_as("took no more requests")
        }
        Broken::Stale { cause, .. } => Fault::unreached(format!("{title}: {CLOSED}"))
            .because(cause)
            .counted_as(CLOSED)
            .stale(),
        Broken::Unreadable(why) => Fault::permanent(why),
        Broken::Unsent(cause) | Broken::Sent(cause) => Fault::unreached(format!(
            "{title}: connection was closed before the request was sent"
        ))
        .because(cause)
        .counted_as("closed before the request was sent"),
    }
}
