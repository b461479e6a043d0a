//! The services of the simulation: one that fetches, one that saves. They fail as the weather of the scenario has it, and
//! tell the oracle what comes and what they answer.

use std::panic::resume_unwind;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::sleep;

use super::oracle::{Answer, State, World, fetched, unfetched};
use super::scenario::{Fate, MS, Weather};
use crate::fact::Step;
use crate::fault::{Fault, Verdict};
use crate::journal::Simulated;
use crate::record::Record;
use crate::service::{Connection, Durable, Reply, Service};

/// Longer than anybody waits.
const NEVER: Duration = Duration::from_secs(100_000);

/// A file that results are appended to.
pub(super) type Output = Arc<Mutex<Simulated>>;

/// A service, for one step.
pub(super) struct Served {
    pub(super) world: Arc<World>,
    pub(super) step: Step,
    /// Where results lie, if the sink is a file.
    pub(super) output: Option<Output>,
    /// Where answers are kept, if they are.
    pub(super) answers: Option<Output>,
}

/// A connection to it.
pub(super) struct Wire {
    world: Arc<World>,
    step: Step,
    output: Option<Output>,
    is_used: bool,
    /// An answer may still come to a request that nobody waits for any more. It will be taken for that of the next.
    is_stale: bool,
}

impl Service<u64> for Served {
    type Answer = u64;
    type Connection = Wire;

    async fn connect(&self) -> Result<Wire, Fault> {
        sleep(MS).await;
        let world = &self.world;
        let is_refused = {
            let state = &mut *world.state();
            let weather = weather(world, self.step);
            let share = weather.refuses_connections;
            world.is_away(state, self.step) || state.chance(world, share)
        };
        if is_refused {
            world.fired("refused connection");
            return Err(Fault::unreached("nobody there, on purpose"));
        }
        Ok(Wire {
            world: Arc::clone(world),
            step: self.step,
            output: self.output.clone(),
            is_used: false,
            is_stale: false,
        })
    }

    fn bulk_max(&self) -> usize {
        match self.step {
            Step::Fetch => 1,
            _ => self.world.scenario.bulk_max,
        }
    }

    fn connections_max(&self) -> usize {
        match self.output {
            Some(_) => 1,
            None => usize::MAX,
        }
    }

    fn durable(&self) -> Option<Box<dyn Durable>> {
        let is_cut_back = self.output.is_some();
        let output = self.output.clone().or(self.answers.clone())?;
        Some(Box::new(Synced {
            output,
            is_cut_back,
        }))
    }

    fn keep(&self, answers: &[Record<u64>]) -> Result<Option<u64>, Fault> {
        let Some(file) = &self.answers else {
            return Ok(None);
        };
        let mut file = file.lock().expect("no panic under it");
        let answers = self.world.known(answers, unfetched);
        let lines: String = answers.iter().map(line).collect();
        let end = file.len();
        file.write_at(end, lines.as_bytes())
            .map_err(|error| Fault::storage(error.to_string()))?;
        Ok(Some(file.len()))
    }
}

/// Makes the output survive a loss of power.
#[derive(Debug)]
struct Synced {
    output: Output,
    /// Whether all that took effect lies in it.
    is_cut_back: bool,
}

impl Durable for Synced {
    fn sync(&mut self) -> std::io::Result<()> {
        self.output.lock().expect("no panic under it").sync()
    }

    fn repeats_nothing(&self) -> bool {
        self.is_cut_back
    }
}

impl Connection<u64> for Wire {
    type Answer = u64;

    async fn send(&mut self, bulk: &[Record<u64>]) -> Result<Reply<u64>, Fault> {
        let bulk = &self.world.known(bulk, self.world.item_sent(self.step));
        if self.is_stale {
            return Ok(Reply::All(answers(bulk)));
        }
        if self.is_used && self.is_cut_when_idle() {
            return Err(Fault::unreached(
                "the connection was closed meanwhile, on purpose",
            ));
        }
        let mut request = Request::new(self, bulk);
        let was_used = self.is_used;
        (self.is_used, self.is_stale) = (true, true);
        let mut reply = request.answer(bulk).await;
        let is_cut = matches!(&reply, Err(fault) if fault.verdict() == Verdict::InDoubt);
        let closes_kept = weather(&self.world, self.step).closes_idle > 0.0;
        if is_cut && was_used && closes_kept && self.world.state().random.bool() {
            self.world.fired("kept connection closed on a request");
            reply = reply.map_err(Fault::stale);
        }
        request.is_answered(bulk, &reply);
        self.is_stale = matches!(&reply, Err(fault) if fault.verdict() == Verdict::InDoubt);
        reply
    }

    fn is_open(&mut self) -> bool {
        !self.is_cut_when_idle()
    }

    fn mark(&self) -> Option<u64> {
        let output = self.output.as_ref()?;
        Some(output.lock().expect("no panic under it").len())
    }
}

impl Wire {
    fn is_cut_when_idle(&self) -> bool {
        let share = weather(&self.world, self.step).closes_idle;
        let is_cut = self.world.state().chance(&self.world, share);
        if is_cut {
            self.world.fired("kept connection found dead");
        }
        is_cut
    }
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plan {
    Answer,
    Fail,
    Refuse(Option<Duration>),
    CutBefore,
    CutAfter,
    StallBefore,
    StallAfter,
    Miscount,
    TakeSome,
    /// The machine is off; nothing comes of it.
    Nothing,
}

/// A request that has come. When it is dropped without an answer, whoever sent it has given it up.
struct Request {
    world: Arc<World>,
    step: Step,
    output: Option<Output>,
    plan: Plan,
    indexes: Vec<u64>,
    taken: Vec<u64>,
    is_over: bool,
}

impl Request {
    fn new(wire: &Wire, bulk: &[Record<u64>]) -> Request {
        let world = &wire.world;
        let state = &mut *world.state();
        let plan = match state.plug.has_effect() {
            true => {
                world.arrives(state, wire.step, bulk, wire.is_used);
                plan(world, state, wire.step)
            }
            false => Plan::Nothing,
        };
        Request {
            world: Arc::clone(world),
            step: wire.step,
            output: wire.output.clone(),
            plan,
            indexes: bulk.iter().map(|record| record.index).collect(),
            taken: Vec::new(),
            is_over: plan == Plan::Nothing,
        }
    }

    async fn answer(&mut self, bulk: &[Record<u64>]) -> Result<Reply<u64>, Fault> {
        let latency = weather(&self.world, self.step).latency;
        sleep(latency / 2).await;
        match self.plan {
            Plan::Nothing | Plan::StallBefore => sleep(NEVER).await,
            Plan::Fail => return Err(Fault::transient("answered 500, on purpose")),
            Plan::CutBefore => return Err(Fault::in_doubt("cut, on purpose")),
            Plan::Refuse(wait) => {
                let fault = Fault::overload("answered 429, on purpose");
                return Err(wait.map_or(fault.clone(), |wait| fault.retry_after(wait)));
            }
            _ => {}
        }
        let outcomes = self.take(bulk)?;
        match self.plan {
            Plan::StallAfter => sleep(NEVER).await,
            Plan::CutAfter => return Err(Fault::in_doubt("cut before the answer, on purpose")),
            Plan::Miscount => return Ok(Reply::All(answers(&bulk[1..]))),
            _ => {}
        }
        sleep(latency / 2).await;
        if self.world.state().plug.is_out() {
            sleep(NEVER).await;
        }
        Ok(match outcomes.iter().all(Result::is_ok) {
            true => Reply::All(answers(bulk)),
            false => Reply::Each(outcomes),
        })
    }

    /// The records take effect, as far as they are good.
    fn take(&mut self, bulk: &[Record<u64>]) -> Result<Vec<Result<u64, Fault>>, Fault> {
        let world = Arc::clone(&self.world);
        let fate = |record: &Record<u64>| world.scenario.fates[record.index as usize];
        let is_save = self.step == Step::Save;
        if is_save && bulk.iter().any(|record| fate(record) == Fate::SavePanics) {
            // Not by `panic!`, which would print.
            resume_unwind(Box::new("on purpose"));
        }
        let is_whole = bulk.len() == 1 || world.scenario.fails_as_a_whole;
        if is_save && is_whole && bulk.iter().any(|record| fate(record) == Fate::Refused) {
            return Err(Fault::permanent("answered 400, on purpose"));
        }
        let outcomes = bulk
            .iter()
            .map(|record| {
                match (self.step, fate(record)) {
                    (Step::Save, Fate::Refused) => return Err(Fault::permanent("bad, on purpose")),
                    (Step::Save, Fate::Poison) => {
                        return Err(Fault::transient("500, on purpose").answered());
                    }
                    (Step::Fetch, Fate::NotFound) => return Err(Fault::permanent("answered 404")),
                    _ => {}
                }
                if self.plan == Plan::TakeSome && world.state().random.bool() {
                    world.fired("part of a bulk");
                    return Err(Fault::transient("busy, on purpose"));
                }
                self.keep(record);
                Ok(fetched(record.index))
            })
            .collect();
        Ok(outcomes)
    }

    fn keep(&mut self, record: &Record<u64>) {
        if self.step != Step::Save {
            return;
        }
        if let Some(output) = &self.output {
            let mut file = output.lock().expect("no panic under it");
            let end = file.len();
            file.write_at(end, line(record).as_bytes())
                .expect("nothing fails this disk");
            if file.plug.is_out() {
                return;
            }
        } else if !self.world.state().plug.has_effect() {
            return;
        }
        self.taken.push(record.index);
        let state = &mut *self.world.state();
        self.world.takes(state, record.index);
    }

    /// Tells the oracle what the sender is told now.
    fn is_answered(&mut self, bulk: &[Record<u64>], reply: &Result<Reply<u64>, Fault>) {
        let world = Arc::clone(&self.world);
        let state = &mut *world.state();
        let counts =
            |fault: &Fault| [Verdict::Transient, Verdict::InDoubt].contains(&fault.verdict());
        match reply {
            Ok(Reply::All(answers)) if answers.len() != bulk.len() => {
                return self.is_lost(state, true);
            }
            Ok(Reply::All(_)) => {
                state.succeeds(self.step);
                self.are_saved(state);
            }
            Ok(Reply::Each(outcomes)) => {
                if outcomes.iter().any(Result::is_ok) {
                    state.succeeds(self.step);
                }
                self.are_saved(state);
                for (record, outcome) in bulk.iter().zip(outcomes) {
                    if outcome.as_ref().is_err_and(counts) {
                        state.fails(self.step, record.index);
                    }
                }
            }
            Err(fault) if fault.verdict() == Verdict::InDoubt => {
                return self.is_lost(state, !fault.is_stale());
            }
            Err(fault) => {
                if let Some(wait) = fault.wait_asked() {
                    state.pauses(self.step, wait);
                }
                if counts(fault) {
                    let indexes = self.indexes.iter();
                    indexes.for_each(|index| state.fails(self.step, *index));
                }
            }
        }
        self.is_over(state);
    }

    fn are_saved(&self, state: &mut State) {
        let saved = Answer::Saved(state.now());
        for index in &self.taken {
            state.trace(100, *index);
            state.answers(*index, saved);
        }
    }

    /// Nobody knows what came of it. It may count as an attempt, unless its connection was stale.
    fn is_lost(&mut self, state: &mut State, counts: bool) {
        for index in &self.taken {
            state.answers(*index, Answer::InDoubt);
        }
        for index in self.indexes.iter().filter(|_| counts) {
            state.fails(self.step, *index);
        }
        self.is_over(state);
    }

    fn is_over(&mut self, state: &mut State) {
        self.is_over = true;
        state.leaves(self.step);
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        let world = Arc::clone(&self.world);
        let state = &mut *world.state();
        if self.is_over || state.plug.is_out() {
            return;
        }
        if std::thread::panicking() {
            self.is_over(state);
        } else {
            state.fired("given up by its sender");
            self.is_lost(state, true);
        }
    }
}

fn answers(bulk: &[Record<u64>]) -> Vec<u64> {
    bulk.iter().map(|record| fetched(record.index)).collect()
}

fn weather(world: &World, step: Step) -> &Weather {
    match step {
        Step::Fetch => &world.scenario.fetch,
        _ => &world.scenario.save,
    }
}

fn plan(world: &World, state: &mut State, step: Step) -> Plan {
    if world.is_away(state, step) {
        state.fired("cut in an outage");
        return Plan::CutBefore;
    }
    if step == Step::Save && state.is_to_be_cut() {
        state.fired("the save that was to be cut");
        return Plan::CutAfter;
    }
    let weather = weather(world, step);
    let wait = 40 * MS + MS * state.random.u32(0..200);
    let plans = [
        (weather.fails, Plan::Fail, "500"),
        (weather.refuses, Plan::Refuse(None), "429"),
        (weather.refuses_until, Plan::Refuse(Some(wait)), "429 until"),
        (
            weather.cuts_before,
            Plan::CutBefore,
            "cut before it took effect",
        ),
        (
            weather.cuts_after,
            Plan::CutAfter,
            "cut after it took effect",
        ),
        (
            weather.stalls_before,
            Plan::StallBefore,
            "stall before it took effect",
        ),
        (
            weather.stalls_after,
            Plan::StallAfter,
            "stall after it took effect",
        ),
        (
            weather.miscounts,
            Plan::Miscount,
            "wrong number of outcomes",
        ),
        (weather.takes_some, Plan::TakeSome, "busy"),
    ];
    for (share, plan, name) in plans {
        if state.chance(world, share) {
            state.fired(name);
            return plan;
        }
    }
    Plan::Answer
}

impl State {
    /// Whether something happens that happens to this share, while faults happen at all.
    fn chance(&mut self, world: &World, share: f64) -> bool {
        share > 0.0 && world.is_stormy(self) && self.random.f64() < share
    }
}

/// What a file says of a record.
fn line(record: &Record<u64>) -> String {
    format!("{} {}\n", record.index, record.value)
}

/// The file as a connector finds it: cut at the mark.
pub(super) fn cut(file: &Output, mark: Option<u64>) -> Output {
    let mut cut = file.lock().expect("no panic under it");
    cut.cut(mark.unwrap_or(0)).expect("nothing fails this disk");
    Arc::clone(file)
}
