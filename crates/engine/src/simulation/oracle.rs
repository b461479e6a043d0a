//! The oracle: what the services took and answered, over all lives of the machine, and whether that is as promised.
//!
//! It sees what a service sees, and the facts; of the engine's own state it knows nothing. What is wrong is written down
//! rather than panicked about, because the engine catches panics in a user's code.

mod blame;
mod numbers;
mod order;
mod rules;
mod watcher;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::keyed::Names;
use super::plug::Plug;
use super::scenario::{CALM_AT, End, Fails, Fate, Scenario};
use crate::fact::Step;
use crate::options::InFlightLimit;
use crate::record::Record;
use blame::Blame;
pub(super) use numbers::{compute, fetched, unfetched};
use order::Order;
pub(super) use rules::Recorded;
pub(super) use watcher::Watcher;

/// The world around the machine.
pub(super) struct World {
    pub(super) scenario: Scenario,
    /// Which number is which item, where items are known by keys.
    pub(super) names: Option<Names>,
    state: Mutex<State>,
}

/// What is known of the world.
pub(super) struct State {
    pub(super) random: fastrand::Rng,
    pub(super) plug: Arc<Plug>,
    /// Lives there were before this one.
    life: usize,
    begun: Option<Instant>,
    /// Whether faults end some time.
    is_last: bool,
    fails: Option<Fails>,
    /// Whether any request has come in this life: by then the journal was on the disk.
    has_sent: bool,
    /// Saves that have come in this life.
    saves: u64,
    /// Items that were taken again in this life, because nobody knew whether they had been.
    repeated: u64,
    /// What the journal called finished when this life began.
    finished: BTreeSet<u64>,
    /// Each item, as the sink sees it.
    items: Vec<Option<Taken>>,
    save: Service,
    fetch: Service,
    is_reading: bool,
    /// The items that the source holds.
    input: Vec<u64>,
    order: Order,
    /// Items at which a worker has broken by accident.
    accidents: BTreeSet<u64>,
    lives: Vec<Lived>,
    wrong: Vec<String>,
    fired: BTreeSet<&'static str>,
    trace: u64,
}

/// When an item was last taken, and what its sender knows of that.
#[derive(Clone, Copy, Debug)]
struct Taken {
    life: usize,
    answer: Answer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// None yet.
    None,
    Saved(Duration),
    /// Cut off, or not understood: it may be sent again.
    InDoubt,
}

/// A service, as far as the rules of a run speak of it. Begins anew with each life.
#[derive(Default)]
struct Service {
    in_flight: usize,
    /// When it asked to be left alone, and until when.
    paused: Option<(Duration, Duration)>,
    blame: Blame,
}

/// A life that has ended.
#[derive(Clone, Copy, Debug)]
struct Lived {
    end: End,
    at: Duration,
    /// Items taken again that had been taken in it, which nobody had cut off.
    repeats: u64,
}

impl World {
    pub(super) fn new(scenario: Scenario) -> Arc<World> {
        let state = State {
            random: fastrand::Rng::with_seed(!scenario.seed),
            plug: Arc::default(),
            life: 0,
            begun: None,
            is_last: false,
            fails: None,
            has_sent: false,
            saves: 0,
            repeated: 0,
            finished: BTreeSet::new(),
            items: vec![None; scenario.items as usize],
            save: Service::default(),
            fetch: Service::default(),
            is_reading: false,
            input: Vec::new(),
            order: Order::default(),
            accidents: BTreeSet::new(),
            lives: Vec::new(),
            wrong: Vec::new(),
            fired: BTreeSet::new(),
            trace: 0,
        };
        Arc::new(World {
            names: Names::new(&scenario),
            scenario,
            state: Mutex::new(state),
        })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A life begins, with a journal that calls these finished.
    pub(super) fn begins(
        &self,
        plug: &Arc<Plug>,
        finished: BTreeSet<u64>,
        dead: BTreeSet<u64>,
        end: End,
        is_last: bool,
    ) {
        let mut state = self.state();
        self.begins_in_order(&mut state, dead.into_iter());
        state.fails = match end {
            End::Fails(fails) => Some(fails),
            _ => None,
        };
        (state.saves, state.has_sent, state.repeated) = (0, false, 0);
        state.plug = Arc::clone(plug);
        state.begun = Some(Instant::now());
        state.is_last = is_last;
        state.is_reading = true;
        state.finished = finished;
        (state.save, state.fetch) = (Service::default(), Service::default());
    }

    /// A life ends, in this way.
    pub(super) fn ends(&self, end: End) {
        let mut state = self.state();
        let at = state.now();
        if matches!(end, End::PowerLoss(_)) && !state.has_sent {
            // It forgets what the life before had not synced: it is as if that one had ended so.
            state.finished.clear();
            if let Some(before) = state.lives.last_mut() {
                before.end = end;
            }
        }
        state.lives.push(Lived {
            end,
            at,
            repeats: 0,
        });
        state.life += 1;
        // Whoever looks now is no part of any life.
        state.begun = None;
    }

    /// The sink's file was cut, and holds these items only.
    pub(super) fn is_cut_to(&self, kept: &BTreeSet<u64>) {
        let mut state = self.state();
        for (index, taken) in (0..).zip(&mut state.items) {
            if !kept.contains(&index) {
                *taken = None;
            }
        }
    }

    /// Lives there were before this one.
    pub(super) fn life(&self) -> usize {
        self.state().life
    }

    /// What an item is when it comes to the sink.
    pub(super) fn result_of(&self, index: u64) -> u64 {
        compute(match self.scenario.has_fetch {
            true => fetched(index),
            false => index,
        })
    }

    /// Whether whoever computes this item breaks at it now.
    pub(super) fn breaks_at(&self, index: u64) -> bool {
        let mut state = self.state();
        if self.scenario.fates[index as usize] == Fate::Breaks {
            state.fired("a worker broke at its item");
            return true;
        }
        let share = self.scenario.accidents.unwrap_or_default();
        // Drawn apart, so that the rest of a seed stays what it was.
        let mut random = fastrand::Rng::with_seed(self.scenario.seed.rotate_left(8) ^ index);
        let is_hit = random.f64() < share && state.accidents.insert(index);
        if is_hit {
            state.fired("a worker broke by accident");
        }
        is_hit
    }

    /// A source is opened that holds these items.
    pub(super) fn opens(&self, input: &[u64]) {
        self.state().input = input.to_vec();
    }

    /// Those that the last source holds.
    pub(super) fn input(&self) -> Vec<u64> {
        self.state().input.clone()
    }

    pub(super) fn is_reading(&self, is_reading: bool) {
        self.state().is_reading = is_reading;
    }

    pub(super) fn fired(&self, what: &'static str) {
        self.state().fired.insert(what);
    }

    pub(super) fn wrong(&self, what: String) {
        self.state().is_wrong(what);
    }

    /// All that happened for once, and a number that is the same for the same happenings.
    pub(super) fn seen(&self) -> (BTreeSet<&'static str>, u64) {
        let state = self.state();
        (state.fired.clone(), state.trace)
    }

    /// Items that were taken more than once in this life.
    pub(super) fn repeated(&self) -> u64 {
        self.state().repeated
    }

    /// What fails in this life.
    pub(super) fn fails(&self) -> Option<Fails> {
        self.state().fails
    }

    /// Whether faults happen now.
    pub(super) fn is_stormy(&self, state: &State) -> bool {
        !state.is_last || !self.scenario.is_impatient() && state.now() < CALM_AT
    }

    /// Whether nobody is there now at the service of this step.
    pub(super) fn is_away(&self, state: &State, step: Step) -> bool {
        let weather = match step {
            Step::Fetch => &self.scenario.fetch,
            _ => &self.scenario.save,
        };
        let now = state.now();
        self.is_stormy(state)
            && weather
                .away
                .is_some_and(|(from, lasts)| (from..from + lasts).contains(&now))
    }

    /// A request has come: is it one that may come now?
    pub(super) fn arrives(
        &self,
        state: &mut State,
        step: Step,
        bulk: &[Record<u64>],
        is_kept: bool,
    ) {
        let (now, most) = (
            state.now(),
            match step {
                Step::Fetch => self.scenario.options.in_flight_max(),
                _ => self.scenario.saves_max(),
            },
        );
        state.has_sent = true;
        let service = state.service(step);
        service.in_flight += 1;
        let in_flight = service.in_flight;
        // One on a new connection was begun before that was opened.
        let is_early = service
            .paused
            .is_some_and(|(since, until)| is_kept && since < now && now < until)
            // A limit that finds itself thinks about each refusal.
            && self.scenario.options.in_flight != InFlightLimit::Auto;
        if in_flight > most {
            state.is_wrong(format!(
                "{in_flight} requests in flight, {most} are allowed"
            ));
        }
        if is_early {
            state.is_wrong(format!("a request at {now:?}, before a pause was over"));
        }
        for record in bulk {
            state.trace(step as u64, record.index);
            self.comes_in_order(state, step, record.index);
            let expected = match step {
                Step::Fetch => record.index,
                _ => self.result_of(record.index),
            };
            if record.value != expected {
                state.is_wrong(format!("item {} has the payload of another", record.index));
            }
            if state.finished.contains(&record.index) {
                state.is_wrong(format!(
                    "item {} was finished before this life",
                    record.index
                ));
            }
        }
    }

    /// The sink takes an item.
    pub(super) fn takes(&self, state: &mut State, index: u64) {
        let life = state.life;
        let taken = Taken {
            life,
            answer: Answer::None,
        };
        let before = state.items[index as usize].replace(taken);
        state.repeated += u64::from(before.is_some_and(|before| before.life == life));
        match before {
            Some(Taken {
                answer: Answer::InDoubt,
                ..
            })
            | None => {}
            Some(before) if before.life == life => {
                state.is_wrong(format!(
                    "item {index} was sent again after {:?}",
                    before.answer
                ));
            }
            Some(before) => {
                let window = self.window_after_power_loss();
                let lived = &mut state.lives[before.life];
                lived.repeats += 1;
                let is_old = matches!(before.answer, Answer::Saved(at) if at + window < lived.at)
                    && !self.scenario.options.keep_order;
                if matches!(lived.end, End::PowerLoss(_)) && is_old {
                    state.is_wrong(format!("item {index}, long saved, was sent again"));
                }
            }
        }
    }

    /// All that was wrong, if anything was.
    pub(super) fn verdict(&self) -> Result<(), String> {
        let wrong = std::mem::take(&mut self.state().wrong);
        match wrong.is_empty() {
            true => Ok(()),
            false => Err(wrong.join("\n")),
        }
    }
}

impl State {
    /// Time in this life.
    pub(super) fn now(&self) -> Duration {
        self.begun.map_or(Duration::ZERO, |begun| begun.elapsed())
    }

    pub(super) fn is_wrong(&mut self, what: String) {
        // The first is the cause; the rest only fills the screen.
        if self.wrong.len() < 5 {
            self.wrong
                .push(format!("life {}, {:?}: {what}", self.life, self.now()));
        }
    }

    pub(super) fn trace(&mut self, what: u64, index: u64) {
        for value in [self.now().as_nanos() as u64, what, index] {
            self.trace = (self.trace ^ value)
                .wrapping_mul(0x0100_0000_01B3)
                .rotate_left(5);
        }
    }

    pub(super) fn fired(&mut self, what: &'static str) {
        self.fired.insert(what);
    }

    fn service(&mut self, step: Step) -> &mut Service {
        match step {
            Step::Fetch => &mut self.fetch,
            _ => &mut self.save,
        }
    }

    /// The service asks to be left alone.
    pub(super) fn pauses(&mut self, step: Step, wait: Duration) {
        let now = self.now();
        let service = self.service(step);
        let until = service
            .paused
            .map_or(now, |(_, until)| until)
            .max(now + wait);
        service.paused = Some((now, until));
    }

    /// A save has come. Says whether it is the one to be cut.
    pub(super) fn is_to_be_cut(&mut self) -> bool {
        self.saves += 1;
        self.fails == Some(Fails::Save(self.saves))
    }

    /// A request is over.
    pub(super) fn leaves(&mut self, step: Step) {
        self.service(step).in_flight -= 1;
    }

    /// The sender knows this of an item that the sink took.
    pub(super) fn answers(&mut self, index: u64, answer: Answer) {
        if let Some(taken) = &mut self.items[index as usize] {
            taken.answer = answer;
        }
    }

    /// A request succeeded, for one of its records at least.
    pub(super) fn succeeds(&mut self, step: Step) {
        let now = self.now();
        self.service(step).blame.succeeded(now);
    }

    /// An item failed in a way that may count against it.
    pub(super) fn fails(&mut self, step: Step, index: u64) {
        let now = self.now();
        self.service(step).blame.failed(now, index);
    }

    /// Requests at the service that fetches, and at the sink.
    pub(super) fn in_flight(&self) -> (usize, usize) {
        (self.fetch.in_flight, self.save.in_flight)
    }

    pub(super) fn notes_phase(&mut self) {
        let (fetching, saving) = (self.fetch.in_flight, self.save.in_flight);
        let life = self.life;
        let has = |state: &State, answer: fn(Answer) -> bool| {
            let mut taken = state.items.iter().flatten();
            taken.any(|taken| taken.life == life && answer(taken.answer))
        };
        let phases = [
            ("crash while reading", self.is_reading),
            ("crash while fetching", fetching > 0),
            ("crash while saving", saving > 0),
            ("crash with nothing in flight", fetching + saving == 0),
            (
                "crash before the first answer",
                !has(self, |a| matches!(a, Answer::Saved(_))),
            ),
            (
                "crash between effect and answer",
                has(self, |a| a == Answer::None),
            ),
            (
                "crash in a pause",
                [&self.save, &self.fetch]
                    .iter()
                    .any(|service| service.paused.is_some_and(|(_, until)| self.now() < until)),
            ),
            ("crash in a later life", life > 1),
        ];
        for (phase, is_now) in phases {
            if is_now {
                self.fired.insert(phase);
            }
        }
    }
}
