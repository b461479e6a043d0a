//! One slot: owns one connection, makes one attempt at a time on it, and says how it went.

use std::cell::Cell;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::timeout;

use crate::clock::Clock;
use crate::fault::{Fault, Verdict};
use crate::planted::planted;
use crate::quota::Usage;
use crate::record::Record;
use crate::service::{Connection, Reply, Service};

/// Deadlines of one attempt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadlines {
    pub(super) connect: Duration,
    pub(super) attempt: Duration,
}

/// What came of one request, how far the service's own output had come with it, and what it says of quotas.
pub(super) struct Answered<A> {
    pub(super) outcome: Result<Reply<A>, Fault>,
    pub(super) mark: Option<u64>,
    pub(super) usage: Usage,
    /// Records that had gone over a stale connection before, of which nobody knows whether they took effect.
    pub(super) in_doubt: usize,
}

impl<A> Answered<A> {
    /// Whether nothing was sent because no further connection could be had.
    pub(super) fn is_without_connection(&self) -> bool {
        let fault = self.outcome.as_ref().err();
        fault.is_some_and(Fault::is_no_more_connections)
    }
}

impl<A> From<Fault> for Answered<A> {
    fn from(fault: Fault) -> Answered<A> {
        Answered {
            outcome: Err(fault),
            mark: None,
            usage: Usage::default(),
            in_doubt: 0,
        }
    }
}

/// How many connections a stage has, those that are being opened included. Clones are the same count.
#[derive(Clone, Debug, Default)]
pub(super) struct Connections(Rc<Cell<usize>>);

impl Connections {
    pub(super) fn count(&self) -> usize {
        self.0.get()
    }

    fn another(&self) -> Counted {
        self.0.set(self.0.get() + 1);
        Counted(self.clone())
    }
}

/// Counts one connection as long as it lives.
struct Counted(Connections);

impl Drop for Counted {
    fn drop(&mut self) {
        let count = &self.0.0;
        count.set(count.get() - 1);
    }
}

/// A connection that is counted.
struct Wire<C> {
    connection: C,
    _counted: Counted,
}

/// A slot's connection, opened when it is first needed. Dropping it closes the connection.
pub(super) struct Slot<C> {
    wire: Option<Wire<C>>,
    connections: Connections,
    clock: Clock,
    deadlines: Deadlines,
}

impl<C> Slot<C> {
    pub(super) fn new(clock: Clock, deadlines: Deadlines, connections: &Connections) -> Slot<C> {
        Slot {
            wire: None,
            connections: connections.clone(),
            clock,
            deadlines,
        }
    }

    /// Makes one request, and tells when it was sent: not before there was a connection. After a fault that leaves the
    /// connection in an unknown state, it is closed: a late answer must not reach the next request.
    pub(super) async fn attempt<Q, S>(
        &mut self,
        service: &S,
        bulk: &[Record<Q>],
        mut sent_at: impl FnMut(Duration),
    ) -> Answered<S::Answer>
    where
        S: Service<Q, Connection = C>,
        C: Connection<Q, Answer = S::Answer>,
    {
        let mut kept = self.kept();
        let was_kept = kept.is_some();
        let mut is_again = false;
        let mut in_doubt = 0;
        let (wire, sent) = loop {
            let mut wire = match kept.take() {
                Some(kept) => kept,
                None => match self.open(service).await {
                    Ok(wire) => wire,
                    Err(fault) => {
                        return Answered {
                            in_doubt,
                            ..fault.into()
                        };
                    }
                },
            };
            sent_at(self.clock.now());
            let sent = send(&mut wire.connection, bulk, self.deadlines.attempt).await;
            let is_stale = sent.is_stale() || sent.is_unsent() && was_kept;
            if !is_stale || is_again {
                break (wire, sent);
            }
            // A kept connection died before it could be of use. That is nobody's attempt: once more, on a new one.
            is_again = true;
            if sent.is_in_doubt() && !planted!(StaleForgotten) {
                in_doubt = bulk.len();
            }
        };
        let (mark, usage) = (wire.connection.mark(), wire.connection.usage());
        if sent.is_reusable || planted!(TimedOutReused) {
            self.wire = Some(wire);
        }
        Answered {
            outcome: sent.outcome,
            mark,
            usage,
            in_doubt,
        }
    }

    fn kept<Q>(&mut self) -> Option<Wire<C>>
    where
        C: Connection<Q>,
    {
        let mut kept = self.wire.take()?;
        kept.connection.is_open().then_some(kept)
    }

    async fn open<Q, S>(&self, service: &S) -> Result<Wire<C>, Fault>
    where
        S: Service<Q, Connection = C>,
    {
        let counted = self.connections.another();
        let connection = open(service, self.deadlines.connect).await?;
        Ok(Wire {
            connection,
            _counted: counted,
        })
    }
}

async fn open<Q, S: Service<Q>>(service: &S, deadline: Duration) -> Result<S::Connection, Fault> {
    // Boxed, because it is large and soon over, and a slot keeps the room for what it awaits as long as it lives.
    match timeout(deadline, Box::pin(service.connect())).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(fault)) if fault.verdict() == Verdict::Unreached || fault.ends_run().is_some() => {
            Err(fault)
        }
        Ok(Err(fault)) => Err(Fault::unreached(fault.to_string())),
        Err(_) => Err(
            Fault::unreached(format!("no connection within {deadline:.0?}"))
                .counted_as("no connection in time"),
        ),
    }
}

/// How one request on a connection went, and whether that connection can be trusted with another.
struct Sent<A> {
    outcome: Result<Reply<A>, Fault>,
    is_reusable: bool,
}

impl<A> Sent<A> {
    fn new(outcome: Result<Reply<A>, Fault>) -> Sent<A> {
        Sent {
            is_reusable: is_trusted(&outcome),
            outcome,
        }
    }

    fn is_unsent(&self) -> bool {
        matches!(&self.outcome, Err(fault) if fault.verdict() == Verdict::Unreached)
    }

    fn is_stale(&self) -> bool {
        matches!(&self.outcome, Err(fault) if fault.is_stale())
    }

    fn is_in_doubt(&self) -> bool {
        matches!(&self.outcome, Err(fault) if fault.verdict() == Verdict::InDoubt)
    }
}

async fn send<Q, C: Connection<Q>>(
    connection: &mut C,
    bulk: &[Record<Q>],
    deadline: Duration,
) -> Sent<C::Answer> {
    let reply = match timeout(deadline, pin!(connection.send(bulk))).await {
        Ok(Ok(reply)) => reply,
        Ok(Err(fault)) => return Sent::new(Err(fault)),
        Err(_) => {
            return Sent::new(Err(Fault::timed_out(deadline)));
        }
    };
    if reply.len() == bulk.len() || planted!(CountUnchecked) {
        return Sent::new(Ok(reply));
    }
    // Which answer belongs to which record, nobody can tell.
    let (sent, came) = (bulk.len(), reply.len());
    Sent::new(Err(Fault::in_doubt(format!(
        "{sent} records sent, {came} outcomes came back"
    ))))
}

/// Whether the connection that gave this is in a state that is known.
fn is_trusted<A>(outcome: &Result<Reply<A>, Fault>) -> bool {
    let is_known = |fault: &Fault| {
        let unknown = [Verdict::InDoubt, Verdict::Unreached];
        !unknown.contains(&fault.verdict())
    };
    match outcome {
        Ok(Reply::All(_)) => true,
        Ok(Reply::Each(outcomes)) => outcomes
            .iter()
            .filter_map(|o| o.as_ref().err())
            .all(is_known),
        Err(fault) => is_known(fault),
    }
}
