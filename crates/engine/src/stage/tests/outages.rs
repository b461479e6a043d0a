//! Bad items and outages, played against the dispatch in time that is made up: how long nothing gets on, and who dies.

use std::collections::BTreeMap;
use std::fmt;

use super::super::dispatch::Dispatch;
use super::super::limits::Limits;
use super::super::settled::Settled;
use super::*;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// This share of the items is always answered with 500, by the service itself.
    Answered(f64),
    /// The same, but the connection is cut.
    Cut(f64),
    /// The same, but no answer comes in time.
    Hangs(f64),
    /// For so many seconds every request is answered with 500.
    Fails(u64),
    /// For so many seconds every connection is cut.
    Cuts(u64),
}

/// Where the bad items stand, or when the outage begins.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    Beginning,
    Middle,
    End,
    Spread,
}

/// How many records are offered at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Offered {
    /// As `parallel` and `async` do.
    All,
    /// As `batched` does.
    Batches,
    /// As `sequential` does.
    OneByOne,
}

/// One line of the table.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Case {
    kind: Kind,
    place: Place,
    offered: Offered,
    limit: usize,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Came {
    saved: u64,
    /// Good items that died.
    innocent: u64,
    /// Bad ones that died.
    guilty: u64,
    /// The longest time in which no item was finished, though there was one, and no outage.
    stall: Duration,
    gave_up: bool,
}

const ITEMS: u64 = 1000;
/// A good answer, and a bad one.
const ANSWERED: Duration = Duration::from_millis(20);
const TIMEOUT: Duration = Duration::from_secs(2);

impl Case {
    fn is_bad(self, index: u64) -> bool {
        let (Kind::Answered(share) | Kind::Cut(share) | Kind::Hangs(share)) = self.kind else {
            return false;
        };
        let bad = (share * ITEMS as f64).ceil() as u64;
        match self.place {
            Place::Beginning => index < bad,
            Place::Middle => (index + bad / 2).wrapping_sub(ITEMS / 2) < bad,
            Place::End => index >= ITEMS - bad,
            Place::Spread => (index * 7919) % ITEMS < bad,
        }
    }

    /// When the service is away.
    fn away(self) -> (Duration, Duration) {
        let (Kind::Fails(lasts) | Kind::Cuts(lasts)) = self.kind else {
            return (Duration::MAX, Duration::MAX);
        };
        let whole = ANSWERED * ITEMS as u32 / self.limit as u32;
        let from = match self.place {
            Place::Beginning => Duration::ZERO,
            Place::Middle | Place::Spread => whole / 2,
            Place::End => whole.mul_f64(0.97),
        };
        (from, from + lasts as u32 * SECOND)
    }

    fn outcome(self, index: u64, now: Duration) -> (Duration, Result<Reply<()>, Fault>) {
        let (from, until) = self.away();
        let failed = || Fault::transient("500").answered();
        match self.kind {
            Kind::Fails(_) if from <= now && now < until => (MS, Err(failed())),
            Kind::Cuts(_) if from <= now && now < until => (MS, Err(Fault::in_doubt("cut"))),
            Kind::Answered(_) if self.is_bad(index) => (5 * MS, Err(failed())),
            Kind::Cut(_) if self.is_bad(index) => (5 * MS, Err(Fault::in_doubt("cut"))),
            Kind::Hangs(_) if self.is_bad(index) => (TIMEOUT, Err(Fault::timed_out(TIMEOUT))),
            _ => (ANSWERED, Ok(Reply::one(()))),
        }
    }

    fn play(self) -> Came {
        let options = Options {
            in_flight: InFlightLimit::Fixed(self.limit),
            // A run that goes on after a first success.
            first_contact: Options::default().outage_budget,
            ..Options::default()
        };
        let limits = Limits {
            connections: usize::MAX,
            bulk: 1,
            bytes: usize::MAX,
            ready: usize::MAX,
            wall: Duration::ZERO,
        };
        fastrand::seed(7);
        let mut dispatch: Dispatch<u64> = Dispatch::new(Step::Save, &options, limits, |_| 0);
        let at_once = match self.offered {
            Offered::All => ITEMS,
            Offered::Batches => 100,
            Offered::OneByOne => 1,
        };
        let (mut now, mut offered, mut came) = (Duration::ZERO, 0, Came::default());
        let (mut flying, mut number, mut progress) = (BTreeMap::new(), 0, Duration::ZERO);
        let (_, until) = self.away();
        loop {
            if dispatch.is_idle() {
                if offered == ITEMS {
                    return came;
                }
                let records = (offered..offered + at_once).map(|n| Record::new(n, n));
                dispatch.offer(now, Chunk::new(records.collect(), |_| 0));
                offered += at_once;
            }
            if dispatch.advance(now).is_some() {
                came.gave_up = true;
                return came;
            }
            while let Some((sent, bulk)) = dispatch.take(now) {
                let (took, outcome) = self.outcome(bulk[0].index, now);
                number += 1;
                flying.insert((now + took, number), (sent, bulk, outcome));
            }
            let next = flying.keys().next().map(|(at, _)| *at);
            let due = dispatch.wake_at(now);
            now = next
                .into_iter()
                .chain(due)
                .min()
                .expect("something is waited for");
            while let Some(entry) = flying.first_entry().filter(|entry| entry.key().0 <= now) {
                let (sent, bulk, outcome) = entry.remove();
                let settled: Settled<()> = dispatch.settle(now, sent, bulk, outcome);
                let dead = settled.facts.iter().filter_map(|fact| match fact {
                    Fact::Dead { index, .. } => Some(*index),
                    _ => None,
                });
                let dead: Vec<u64> = dead.collect();
                let guilty = dead.iter().filter(|index| self.is_bad(**index)).count() as u64;
                came.guilty += guilty;
                came.innocent += dead.len() as u64 - guilty;
                came.saved += settled.done.len() as u64;
                if !(dead.is_empty() && settled.done.is_empty()) {
                    let since = progress.max(until.min(now));
                    let since = if until == Duration::MAX {
                        progress
                    } else {
                        since
                    };
                    came.stall = came.stall.max(now.saturating_sub(since));
                    progress = now;
                }
            }
        }
    }
}

/// The short form of the table; the long one has more shares and limits.
fn cases(limits: &[usize], shares: &[f64], seconds: &[u64]) -> Vec<Case> {
    let poison: [fn(f64) -> Kind; 3] = [Kind::Answered, Kind::Cut, Kind::Hangs];
    let outages: [fn(u64) -> Kind; 2] = [Kind::Fails, Kind::Cuts];
    let poison = poison
        .into_iter()
        .flat_map(|kind| shares.iter().map(move |share| kind(*share)));
    let outages = outages
        .into_iter()
        .flat_map(|kind| seconds.iter().map(move |s| kind(*s)));
    let mut cases = Vec::new();
    for kind in poison.chain(outages) {
        for place in [Place::Beginning, Place::Middle, Place::End, Place::Spread] {
            for offered in [Offered::All, Offered::Batches, Offered::OneByOne] {
                for limit in limits {
                    cases.push(Case {
                        kind,
                        place,
                        offered,
                        limit: *limit,
                    });
                }
            }
        }
    }
    cases
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Answered(share) => write!(f, "{} % always 500", share * 100.0),
            Kind::Cut(share) => write!(f, "{} % always cut", share * 100.0),
            Kind::Hangs(share) => write!(f, "{} % always hang", share * 100.0),
            Kind::Fails(seconds) => write!(f, "500 for {seconds} s"),
            Kind::Cuts(seconds) => write!(f, "cut for {seconds} s"),
        }
    }
}

/// What is wrong with what came of a case, by what is promised.
fn wrong(case: Case, came: Came) -> Option<String> {
    let bad = (0..ITEMS).filter(|index| case.is_bad(*index)).count() as u64;
    let is_outage = matches!(case.kind, Kind::Fails(_) | Kind::Cuts(_));
    // What hangs takes all its attempts, as many at a time as are allowed.
    let rounds = (6 * bad.div_ceil(case.limit as u64)) as u32;
    let attempts = if matches!(case.kind, Kind::Hangs(_)) {
        rounds.max(2)
    } else {
        2
    };
    // More look like an outage, where they are all that can be seen.
    let is_few = bad <= 40;
    let has_fresh = case.offered == Offered::All && case.place != Place::End;
    let what = match () {
        () if is_outage && has_fresh && came.innocent > 0 => "items died in an outage",
        () if is_outage => return None,
        () if came.innocent > 0 => "a good item died",
        () if !is_few => return None,
        () if came.gave_up => "bad items were taken for an outage",
        () if came.saved + came.guilty != ITEMS || came.guilty != bad => "some were forgotten",
        () if came.stall > attempts * TIMEOUT + 10 * SECOND => "it stood still",
        () => return None,
    };
    Some(format!("{what}: {case:?}, {came:?}"))
}

/// What goes wrong in a case of this number, if anything does.
pub(crate) fn trial(number: u64) -> Result<(), String> {
    let cases = cases(&[8], &[0.01], &[20]);
    let Some(case) = cases.get(number as usize) else {
        return Ok(());
    };
    wrong(*case, case.play()).map_or(Ok(()), Err)
}

#[test]
fn bad_items_are_no_outage_and_an_outage_kills_nobody() {
    let (limits, seconds): (&[_], &[_]) = match crate::simulation::seeds(0) {
        0 => (&[1, 8, 100], &[1, 20, 300]),
        _ => (&[1, 8, 100, 1000], &[1, 20, 300, 800, 3600]),
    };
    let cases = cases(limits, &[0.003, 0.01, 0.1, 0.5, 0.9], seconds);
    let mut all = Vec::new();
    println!("| what | where | offered | limit | longest stall, s | good items dead | exit 4 |");
    println!("|---|---|---|---|---|---|---|");
    for case in cases {
        let came = case.play();
        let (kind, stall) = (case.kind, came.stall.as_secs_f64());
        let gave_up = if came.gave_up { "yes" } else { "" };
        println!(
            "| {kind} | {:?} | {:?} | {} | {stall:.1} | {} | {gave_up} |",
            case.place, case.offered, case.limit, came.innocent
        );
        all.extend(wrong(case, came));
    }
    assert!(
        all.is_empty(),
        "{} are wrong:\n{}",
        all.len(),
        all.join("\n")
    );
}
