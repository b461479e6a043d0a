//! The machine on which the engine lives: its disks, its time, and how a life on it begins and ends.

mod checks;

use std::collections::BTreeSet;
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::runtime;
use tokio::task::LocalSet;
use tokio::time::sleep;

use super::keyed::Names;
use super::oracle::{Watcher, World, compute};
use super::plug::Plug;
use super::scenario::{Disk, End, Fails, Fate, MS, Moment, Scenario, Sink};
use super::service::{Output, Served, cut};
use super::source::Numbers;
use crate::conclusion::{Took, conclude};
use crate::cores;
use crate::driver::Driver;
use crate::error::{Error, ErrorKind};
use crate::fact::{Fact, Step};
use crate::fault::Fault;
use crate::job::{Job, JobOf, Types};
use crate::journal::{Command, OpenedJournal, Simulated, open_simulated};
use crate::key::Key;
use crate::log;
use crate::record::Record;
use crate::run::{conduct, prepare};
use crate::service::{NoFetch, Reply};
use crate::stop::Stop;
use crate::summary::{Ending, Summary};

/// No life is that long, once faults have ended.
const LIFE_MAX: Duration = Duration::from_secs(300);

/// A machine with its disks, in its world.
pub(super) struct Machine {
    pub(super) world: Arc<World>,
    journal: Output,
    letters: Output,
    output: Output,
    no_keys: Output,
    random: fastrand::Rng,
}

/// How a life came to its end.
enum Outcome {
    Crashed,
    Ended(Box<Result<Summary, Error>>),
    /// Not at all.
    Hung,
}

/// Goes through all lives of a scenario. `Err` says what was wrong.
pub(super) fn simulate(scenario: Scenario) -> Result<Arc<World>, String> {
    let mut machine = Machine::new(scenario);
    let world = Arc::clone(&machine.world);
    let verdict = |world: &World| {
        let wrong = world.verdict().err();
        wrong.map_or(Ok(()), |wrong| {
            Err(format!("{wrong}\nof {:#?}", world.scenario))
        })
    };
    for end in world.scenario.ends.clone() {
        let ending = machine.live_and_check(end, false);
        verdict(&world)?;
        if ending == Some(Ending::Complete) {
            break;
        }
    }
    // What was finished before stays so, and is not done again.
    machine.live_and_check(End::None, true);
    machine.check_in_the_end();
    verdict(&world)?;
    Ok(world)
}

impl Machine {
    pub(super) fn new(scenario: Scenario) -> Machine {
        Machine {
            random: fastrand::Rng::with_seed(scenario.seed.rotate_left(32)),
            world: World::new(scenario),
            journal: Arc::default(),
            letters: Arc::default(),
            output: Arc::default(),
            no_keys: Arc::default(),
        }
    }

    /// One life, and all that must hold after it. Says how it ended, if it ended by itself.
    pub(super) fn live_and_check(&mut self, end: End, is_last: bool) -> Option<Ending> {
        let outcome = self.live(end, is_last);
        let is_crash = matches!(outcome, Outcome::Crashed);
        let summary = self.expected(outcome, end, is_last);
        if is_crash && matches!(end, End::PowerLoss(_)) {
            let mut random = self.random.clone();
            for disk in self.disks() {
                lock(disk).lose_power(&mut random);
            }
            self.random = random;
        }
        let recorded = self.check_journal();
        let summary = summary?;
        let told = (summary.saved as usize, summary.dead as usize);
        if !matches!(summary.ending, Ending::Storage(_)) && Some(told) != recorded {
            let what = format!("told {told:?} saved and dead, but recorded {recorded:?}");
            self.world.wrong(what);
        }
        let repeated = self.world.repeated();
        if repeated > summary.in_doubt {
            let what = format!(
                "{repeated} taken twice, told of {} in doubt",
                summary.in_doubt
            );
            self.world.wrong(what);
        }
        let known = self.world.scenario.items;
        if self.world.names.is_none()
            && !matches!(summary.ending, Ending::Unreadable(_))
            && summary.items != known
        {
            let what = format!("told of {} items, there are {known}", summary.items);
            self.world.wrong(what);
        }
        Some(summary.ending)
    }

    /// One life, until its end.
    fn live(&mut self, end: End, is_last: bool) -> Outcome {
        let plug = Arc::new(match end {
            End::Crash(Moment::Effect(effect)) | End::PowerLoss(Moment::Effect(effect)) => {
                Plug::pulled_at(effect)
            }
            _ => Plug::default(),
        });
        for (disk, which) in [
            (&self.journal, Disk::Journal),
            (&self.letters, Disk::Letters),
            (self.keys(), Disk::Keys),
        ] {
            let mut disk = lock(disk);
            disk.calls = 0;
            disk.fails_from = match end {
                End::Fails(Fails::Disk(failing, call)) if failing == which => Some(call),
                _ => None,
            };
        }
        for disk in self.disks() {
            lock(disk).plug = Arc::clone(&plug);
        }
        // All that the engine draws, it draws from here.
        fastrand::seed(self.random.u64(..));
        let runtime = runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime needs no more than memory");
        runtime.block_on(async {
            let outcome = self.begin(end, is_last, &plug).await;
            let actual = match &outcome {
                Outcome::Crashed => end,
                Outcome::Ended(ended)
                    if matches!(
                        **ended,
                        Ok(Summary {
                            ending: Ending::Storage(_),
                            ..
                        }) | Err(_)
                    ) =>
                {
                    end
                }
                Outcome::Ended(_) | Outcome::Hung => End::None,
            };
            self.world.ends(actual);
            outcome
        })
    }

    async fn begin(&self, end: End, is_last: bool, plug: &Arc<Plug>) -> Outcome {
        let world = &self.world;
        let started = self.open().and_then(|mut opened| {
            let finished = self.items_of(opened.finished().into_iter().flatten());
            let dead = self.items_of(opened.dead()?);
            world.begins(plug, finished, dead, end, is_last);
            let mark = opened.found().and_then(|found| found.mark);
            let scenario = &world.scenario;
            let is_file = scenario.sink == Sink::File;
            let output = is_file.then(|| cut(&self.output, mark));
            // A machine that stops just then cuts nothing.
            if is_file && !plug.is_out() {
                world.is_cut_to(&self.lines().into_iter().collect());
            }
            let keeps = !is_file && scenario.keeps_answers;
            let answers = keeps.then(|| cut(&self.output, mark));
            let mut journal = opened.start(&[], Command::default())?;
            journal.bound_unrecorded(world.scenario.unrecorded_max);
            Ok((journal, output, answers))
        });
        let (journal, output, answers) = match started {
            Ok(started) => started,
            Err(error) => return Outcome::Ended(Box::new(Err(error))),
        };
        let save = Served {
            world: Arc::clone(world),
            step: Step::Save,
            output,
            answers,
        };
        let mut job = Job::new(Numbers::new(world, is_last)).item_bytes(self.size());
        if world.names.is_some() {
            let world = Arc::clone(world);
            job = job.keyed_by(move |item| {
                let names = world.names.as_ref().expect("that was asked");
                names.key_of(*item)
            });
        }
        if let Some(order) = world.scenario.order {
            let value = move |item: &u64| Ok(Key::of((item % order.values).to_le_bytes()));
            job = match order.halts {
                true => job.ordered_until_dead(value),
                false => job.ordered_by(value),
            };
        }
        match world.scenario.has_fetch {
            true => {
                let fetch = Served {
                    world: Arc::clone(world),
                    step: Step::Fetch,
                    output: None,
                    answers: None,
                };
                let job = job.fetch_from(fetch).fetched_bytes(self.size());
                let job = computing(job, world, |input| (input - 1) / 7);
                let job = job.save_to(save).recorded_in(journal);
                self.go::<Job<u64, u64, Served, u64, Served>>(job, end, plug)
                    .await
            }
            false => {
                let job = computing(job, world, |input| input);
                let job = job.save_to(save).recorded_in(journal);
                self.go::<Job<u64, u64, NoFetch, u64, Served>>(job, end, plug)
                    .await
            }
        }
    }

    fn size(&self) -> fn(&u64) -> usize {
        match self.world.scenario.is_large {
            true => |_| 15_000,
            false => |_| 0,
        }
    }

    async fn go<W>(&self, job: JobOf<W>, end: End, plug: &Plug) -> Outcome
    where
        W: Types<Item = u64, Input = u64, Result = u64, Save = Served>,
    {
        let options = &self.world.scenario.options;
        let stop = Stop::new();
        let job = job
            .result_bytes(self.size())
            .observed_by(Watcher(Arc::clone(&self.world)))
            .stopped_by(&stop);
        let (mut log, facts) = log::simulated_channel();
        let driver = Driver::Simulated {
            compute: self.world.scenario.compute,
            read: Duration::ZERO,
            is_told: false,
        };
        let (start, mut recording) = match prepare::<W>(job, options, driver) {
            Ok(prepared) => prepared,
            Err(error) => return Outcome::Ended(Box::new(Err(error))),
        };
        let (clock, own_stop) = (start.clock, start.stop.clone());
        let ran = {
            let work = async {
                let local = LocalSet::new();
                let outcome = local.run_until(conduct::<W>(start, log.another())).await;
                drop(local);
                let cpu = Duration::ZERO;
                log.push(clock.now(), Fact::ThreadEnded { cpu });
                log.end();
                (outcome, clock.now())
            };
            let lag_ms = self.world.scenario.lag_max.as_millis() as u32;
            let recorded = recording.follow(facts, || MS * fastrand::u32(lag_ms / 2..=lag_ms));
            tokio::select! {
                biased;
                () = self.stops(end, plug, &stop) => None,
                (ran, ()) = async { tokio::join!(work, recorded) } => Some(ran),
                () = sleep(LIFE_MAX) => return Outcome::Hung,
            }
        };
        match ran {
            None => Outcome::Crashed,
            Some((outcome, elapsed)) => {
                let machine = cores::Machine {
                    cores: 1,
                    others: None,
                };
                let took = Took { elapsed, machine };
                let summary = conclude(recording, outcome, options, took, &own_stop);
                // The plug may have been pulled by the last thing it wrote.
                match plug.is_out() {
                    true => Outcome::Crashed,
                    false => Outcome::Ended(Box::new(summary)),
                }
            }
        }
    }

    /// Ends when the machine stops; stops the run by other means, and never ends, where that is how this life ends.
    async fn stops(&self, end: End, plug: &Plug, stop: &Stop) {
        match end {
            End::Crash(moment) | End::PowerLoss(moment) => {
                if let Moment::At(at) = moment {
                    sleep(at).await;
                    plug.pull();
                }
                plug.out().await;
                self.world.state().notes_phase();
                return;
            }
            End::Drain(at) | End::Abort(at) => {
                sleep(at).await;
                stop.now();
                if let End::Abort(_) = end {
                    sleep(MS * fastrand::u32(0..100)).await;
                    stop.now();
                }
            }
            End::Fails(_) | End::None => {}
        }
        pending().await
    }

    /// The summary of a life that ended by itself. Anything else than what may have happened is wrong.
    fn expected(&self, outcome: Outcome, end: End, is_last: bool) -> Option<Summary> {
        let world = &self.world;
        let ended = match outcome {
            Outcome::Crashed => {
                world.fired(match end {
                    End::PowerLoss(_) => "loss of power",
                    _ => "crash",
                });
                return None;
            }
            Outcome::Hung => {
                let (fetching, saving) = world.state().in_flight();
                world.wrong(format!(
                    "the run did not end within {LIFE_MAX:?}; {fetching} fetches and {saving} saves are in flight"
                ));
                return None;
            }
            Outcome::Ended(ended) => *ended,
        };
        let is_stop = matches!(end, End::Drain(_) | End::Abort(_));
        let is_failing = matches!(end, End::Fails(Fails::Disk(..)));
        let is_unreadable = matches!(end, End::Fails(Fails::Read(_)));
        let (name, is_expected) = match &ended {
            Ok(summary) => match &summary.ending {
                Ending::Complete => ("completion", true),
                Ending::Stopped => ("stop", is_stop),
                Ending::Halted(_) => ("left behind a dead one", world.halts()),
                Ending::Unavailable(_) => ("unavailable", !is_last),
                Ending::Storage(_) => ("disk failure", is_failing),
                Ending::Unreadable(_) => ("unreadable input", is_unreadable),
                _ => ("another ending", false),
            },
            Err(error) => (
                "refusal to start",
                is_failing && error.kind() == ErrorKind::Storage,
            ),
        };
        world.fired(name);
        if !is_expected {
            let ended = ended.as_ref().map(|summary| &summary.ending);
            world.wrong(format!("ended as {ended:?}"));
        }
        ended.ok()
    }

    fn open(&self) -> Result<OpenedJournal, Error> {
        open_simulated(&self.journal, &self.letters, self.keys())
    }

    /// Where keys are kept, if items are known by them.
    fn keys(&self) -> &Output {
        self.world.names.as_ref().map_or(&self.no_keys, Names::file)
    }

    fn disks(&self) -> Vec<&Output> {
        let keys = self.world.names.as_ref().map(Names::file);
        let disks = [&self.journal, &self.letters, &self.output];
        disks.into_iter().chain(keys).collect()
    }

    /// The items that have these numbers, without those whose key was there before.
    fn items_of(&self, numbers: impl IntoIterator<Item = u64>) -> BTreeSet<u64> {
        let mut state = self.world.state();
        let numbers = numbers.into_iter();
        numbers
            .filter_map(|number| self.world.item(&mut state, number))
            .collect()
    }
}

/// Adds the computation, by a function or by what each thread keeps. `item` says of which item an input is.
fn computing<F>(
    job: Job<u64, u64, F>,
    world: &Arc<World>,
    item: fn(u64) -> u64,
) -> Job<u64, u64, F, u64> {
    let world = Arc::clone(world);
    if world.scenario.accidents.is_none() {
        return job.try_compute(move |input| computed(&world.scenario.fates, item(input), input));
    }
    job.compute_with(move || {
        let world = Arc::clone(&world);
        move |bulk: &[Record<u64>]| {
            let mut is_broken = false;
            let outcomes = bulk.iter().map(|record| {
                let index = item(record.value);
                is_broken = is_broken || world.breaks_at(index);
                match is_broken {
                    true => Err(Fault::in_doubt("broke, on purpose")),
                    false => computed(&world.scenario.fates, index, record.value),
                }
            });
            Ok(Reply::Each(outcomes.collect()))
        }
    })
}

/// What computing does to an item.
fn computed(fates: &[Fate], item: u64, input: u64) -> Result<u64, Fault> {
    match fates[item as usize] {
        Fate::ComputePanics => std::panic::resume_unwind(Box::new("on purpose")),
        Fate::Uncomputable => Err(Fault::permanent("cannot be computed, on purpose")),
        _ => Ok(compute(input)),
    }
}

fn lock(disk: &Mutex<Simulated>) -> std::sync::MutexGuard<'_, Simulated> {
    disk.lock().expect("no panic under it")
}

fn contents(disk: &Mutex<Simulated>) -> Vec<u8> {
    let disk = lock(disk);
    let mut bytes = vec![0; disk.len() as usize];
    disk.read_at(0, &mut bytes);
    bytes
}
