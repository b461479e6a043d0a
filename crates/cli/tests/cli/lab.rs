//! `inflight lab`: serves, answers /stats, and ends by Ctrl-C with code 0.

use crate::support::{get, lab};

#[test]
fn it_serves_until_ctrl_c() {
    let (lab, address) = lab("--latency 1ms --capacity 10");
    let stats: serde_json::Value = serde_json::from_str(&get(&address, "/stats")).unwrap();
    for field in [
        "received",
        "saved",
        "distinct",
        "rejected",
        "in_flight_max",
        "service_ms",
    ] {
        assert!(stats.get(field).is_some(), "{field} is not in {stats}");
    }
    get(&address, "/items/7");
    lab.signal("INT");
    let outcome = lab.end().expect(0);
    assert_eq!(
        outcome.last_line(),
        "received=1 saved=0 distinct=0 rejected=0 in_flight_max=1"
    );
}
