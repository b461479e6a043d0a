//! A stage whose limit finds itself: how many it has in flight, and what waits when the service refuses.

use super::*;

fn auto(max_in_flight: usize) -> Options {
    Options {
        in_flight: InFlightLimit::Auto,
        max_in_flight,
        ..Options::default()
    }
}

#[test]
fn a_limit_that_finds_itself_doubles_and_stays_below_its_ceiling() {
    check(
        400,
        &auto(20),
        |_| (100 * MS, Ok(())),
        |outcome| {
            assert_eq!((outcome.done, outcome.opened), (400, 20));
            // Rounds of 8, 16, and then twenty at a time.
            let took = outcome.took;
            assert!(took > 2 * SECOND && took < 2500 * MS, "{took:?}");
        },
    );
}

#[test]
fn what_one_full_queue_refuses_waits_and_the_rest_goes_on() {
    fn script(request: Request) -> (Duration, Result<(), Fault>) {
        match request.number % 50 {
            30 => (MS, Err(Fault::overload("503").retry_after(3 * SECOND))),
            _ => (10 * MS, Ok(())),
        }
    }
    check(300, &auto(100), script, |outcome| {
        assert_eq!(outcome.done, 300);
        let soon = outcome.requests.iter().filter(|r| r.at < SECOND).count();
        assert!(soon >= 300, "{soon}");
    });
}

#[test]
fn a_quota_holds_up_all_and_is_kept_to_by_pacing() {
    fn script(request: Request) -> (Duration, Result<(), Fault>) {
        match request.number {
            20 => (
                MS,
                Err(Fault::overload("429").by_quota().retry_after(SECOND)),
            ),
            _ => (10 * MS, Ok(())),
        }
    }
    check(200, &auto(100), script, |outcome| {
        assert_eq!(outcome.done, 200);
        let at = |number: usize| outcome.requests[number].at;
        let first_after = outcome
            .requests
            .iter()
            .find(|r| r.at >= SECOND)
            .unwrap()
            .number;
        assert!(
            at(first_after) - at(first_after - 1) >= 900 * MS,
            "all wait"
        );
        let gaps = (first_after + 1..200).map(|number| at(number) - at(number - 1));
        assert!(
            gaps.max().unwrap() < 500 * MS && at(199) - at(first_after) > 100 * MS,
            "then one after the other"
        );
    });
}
