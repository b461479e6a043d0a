//! What limits a run at one moment: pure, from what each step has to do.
//!
//! Where a step has more to do than it may, it is what limits, and the steps before it wait for it; so the last of
//! such steps is named.

use crate::bottleneck::Bottleneck;
use crate::load::{Held, Load, StageLoad};
use crate::options::Strategy;

/// What is known of a run at a moment, beside its load.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) strategy: Strategy,
    /// Whether the most requests in flight are as the user has set them.
    pub(super) is_set: bool,
    /// Whether a service is away.
    pub(super) is_away: bool,
    /// Whether the whole input was read.
    pub(super) is_read: bool,
    /// Whether something was computed or finished already.
    pub(super) has_begun: bool,
    /// Items that are being computed or wait for it.
    pub(super) in_compute: u64,
}

/// What limits a run at this moment.
pub(super) fn bottleneck(load: &Load, moment: &Moment) -> Bottleneck {
    if moment.is_away {
        return Bottleneck::Outage;
    }
    if is_connecting(&load.save) || load.fetch.as_ref().is_some_and(is_connecting) {
        return Bottleneck::Start;
    }
    if let Some(held) = load.save.held {
        return saving(held, moment);
    }
    let fetch = load.fetch.unwrap_or_default();
    if takes_turns(moment.strategy) {
        return in_turn(&fetch, &load.save, moment);
    }
    if load.to_compute > 0 {
        return match moment.has_begun {
            true => Bottleneck::Cpu,
            false => Bottleneck::Start,
        };
    }
    if let Some(held) = fetch.held {
        return fetching(held);
    }
    if is_in_order(load, &fetch, moment) {
        return Bottleneck::Order;
    }
    if !moment.is_read {
        return Bottleneck::Source;
    }
    // Nothing is left but what is on its way.
    if fetch.in_flight > 0 {
        return Bottleneck::Fetch;
    }
    if moment.in_compute > 0 {
        return Bottleneck::Cpu;
    }
    match fetch.retrying + load.save.retrying {
        1.. if load.save.in_flight == 0 => Bottleneck::Failures,
        _ => Bottleneck::Ends,
    }
}

/// Whether more items wait for others of their value than are on their way: then others of these wait too, and to read more is of
/// little use.
fn is_in_order(load: &Load, fetch: &StageLoad, moment: &Moment) -> bool {
    let on_their_way = fetch.in_flight + load.save.in_flight;
    load.behind as u64 > on_their_way as u64 + moment.in_compute
}

/// Whether all that is in flight waits for its first connection.
fn is_connecting(load: &StageLoad) -> bool {
    load.connecting > 0 && load.connecting >= load.in_flight
}

/// Whether steps wait for each other.
pub(super) fn takes_turns(strategy: Strategy) -> bool {
    matches!(strategy, Strategy::Sequential | Strategy::Batched)
}

fn in_turn(fetch: &StageLoad, save: &StageLoad, moment: &Moment) -> Bottleneck {
    match fetch.held {
        Some(held) => fetching(held),
        None if fetch.in_flight + save.in_flight > 0 => Bottleneck::Turns,
        None if fetch.retrying + save.retrying > 0 => Bottleneck::Failures,
        None if !moment.is_read => Bottleneck::Source,
        None => Bottleneck::Ends,
    }
}

fn saving(held: Held, moment: &Moment) -> Bottleneck {
    match held {
        Held::Limit if moment.is_set => Bottleneck::InFlight,
        Held::Limit => Bottleneck::Service,
        Held::Search => Bottleneck::Search,
        Held::Single => Bottleneck::Output,
        held => either(held),
    }
}

fn fetching(held: Held) -> Bottleneck {
    match held {
        Held::Limit | Held::Search | Held::Single => Bottleneck::Fetch,
        held => either(held),
    }
}

fn either(held: Held) -> Bottleneck {
    match held {
        Held::Quota | Held::Units => Bottleneck::Quota,
        Held::Pause => Bottleneck::Pause,
        Held::Brake => Bottleneck::Brake,
        Held::Journal => Bottleneck::Journal,
        Held::Order => Bottleneck::Order,
        Held::Limit | Held::Search | Held::Single => Bottleneck::InFlight,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: Moment = Moment {
        strategy: Strategy::Parallel,
        is_set: true,
        is_away: false,
        is_read: false,
        has_begun: true,
        in_compute: 4,
    };

    fn held(held: Held) -> StageLoad {
        StageLoad {
            in_flight: 10,
            limit: 10,
            connecting: 0,
            ready: 5,
            retrying: 0,
            held: Some(held),
        }
    }

    /// Of a run with requests on their way and nothing held up.
    #[track_caller]
    fn check(load: impl FnOnce(&mut Load), moment: impl FnOnce(&mut Moment), expected: Bottleneck) {
        let mut now = (Load::default(), MOMENT);
        now.0.save.in_flight = 3;
        load(&mut now.0);
        moment(&mut now.1);
        assert_eq!(bottleneck(&now.0, &now.1), expected);
    }

    #[test]
    fn the_last_step_that_has_more_to_do_than_it_may() {
        let (save, fetch) = (held(Held::Limit), Some(held(Held::Limit)));
        check(
            |load| (load.save, load.fetch, load.to_compute) = (save, fetch, 2),
            |_| (),
            Bottleneck::InFlight,
        );
        check(
            |load| load.save = save,
            |moment| moment.is_set = false,
            Bottleneck::Service,
        );
        check(
            |load| (load.fetch, load.to_compute) = (fetch, 2),
            |_| (),
            Bottleneck::Cpu,
        );
        check(|load| load.fetch = fetch, |_| (), Bottleneck::Fetch);
        check(|_| (), |_| (), Bottleneck::Source);
        let own = |held_by, expected| {
            check(|load| load.save = held(held_by), |_| (), expected);
            check(|load| load.fetch = Some(held(held_by)), |_| (), expected);
        };
        own(Held::Quota, Bottleneck::Quota);
        own(Held::Units, Bottleneck::Quota);
        own(Held::Pause, Bottleneck::Pause);
        own(Held::Brake, Bottleneck::Brake);
        own(Held::Journal, Bottleneck::Journal);
        own(Held::Order, Bottleneck::Order);
        check(|load| load.behind = 8, |_| (), Bottleneck::Order);
        check(|load| load.behind = 7, |_| (), Bottleneck::Source);
        check(
            |load| load.save = held(Held::Single),
            |_| (),
            Bottleneck::Output,
        );
        check(
            |load| load.save = held(Held::Search),
            |_| (),
            Bottleneck::Search,
        );
    }

    #[test]
    fn the_beginning_and_the_end() {
        check(
            |load| load.to_compute = 9,
            |moment| moment.has_begun = false,
            Bottleneck::Start,
        );
        let over = |moment: &mut Moment| (moment.is_read, moment.in_compute) = (true, 0);
        check(|_| (), |moment| moment.is_read = true, Bottleneck::Cpu);
        check(|_| (), over, Bottleneck::Ends);
        check(
            |load| (load.save.in_flight, load.save.retrying) = (0, 2),
            over,
            Bottleneck::Failures,
        );
        check(
            |load| (load.save.connecting, load.save.ready) = (3, 9),
            over,
            Bottleneck::Start,
        );
        check(|_| (), |moment| moment.is_away = true, Bottleneck::Outage);
    }

    #[test]
    fn steps_that_take_turns_wait_for_answers() {
        let sequential = |moment: &mut Moment| moment.strategy = Strategy::Sequential;
        check(|load| load.to_compute = 9, sequential, Bottleneck::Turns);
        check(
            |load| load.save.in_flight = 0,
            sequential,
            Bottleneck::Source,
        );
    }
}
