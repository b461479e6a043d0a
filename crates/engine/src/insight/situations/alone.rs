//! Situations in which one thing limits the run, and nothing else is near.

use super::*;

pub(super) fn alone() -> Vec<Situation> {
    use Bottleneck::*;
    vec![
        played(
            "cpu",
            &[Cpu],
            &["computing on 2 cores", "more cores would help"],
            |job| {
                job.compute = 20 * MS;
            },
        )
        .near(),
        played(
            "cpu, noisy service",
            &[Cpu],
            &["computing on 2 cores"],
            |job| {
                job.compute = 20 * MS;
                job.save = full(1000, NOISE);
            },
        )
        .near(),
        played(
            "service",
            &[Service],
            &["the service, which gave no more than"],
            |job| {
                (job.items, job.save) = (10_000, full(20, 0.0));
            },
        )
        .with(
            "goodput",
            |s| s.learnt.and_then(|learnt| learnt.goodput).unwrap_or(0.0),
            200.0,
            0.1,
        ),
        played(
            "service, noisy",
            &[Service],
            &["the service, which gave no more than"],
            |job| {
                (job.items, job.save) = (10_000, full(20, NOISE));
            },
        )
        .with(
            "goodput",
            |s| s.learnt.and_then(|learnt| learnt.goodput).unwrap_or(0.0),
            200.0,
            0.1,
        ),
        played(
            "fetch",
            &[Fetch],
            &["fetching", "its service gave no more than"],
            |job| {
                (job.items, job.fetch) = (10_000, Some(full(20, 0.0)));
            },
        )
        .with(
            "goodput",
            |s| {
                s.learnt_fetch
                    .and_then(|learnt| learnt.goodput)
                    .unwrap_or(0.0)
            },
            200.0,
            0.1,
        ),
        played(
            "fetch, noisy",
            &[Fetch],
            &["fetching", "its service gave no more than"],
            |job| {
                (job.items, job.fetch) = (10_000, Some(full(20, NOISE)));
            },
        )
        .with(
            "goodput",
            |s| {
                s.learnt_fetch
                    .and_then(|learnt| learnt.goodput)
                    .unwrap_or(0.0)
            },
            200.0,
            0.1,
        ),
        played(
            "fetch with -c 8",
            &[Fetch],
            &["fetching, with 8.0 requests in flight of 1"],
            |job| {
                fixed(job, 8);
                job.fetch = Some(full(1000, 0.0));
            },
        )
        .near(),
        played(
            "own -c",
            &[InFlight],
            &["10 requests in flight that are allowed; more would help"],
            |job| {
                fixed(job, 10);
                job.save = full(1000, 0.0);
            },
        )
        .near(),
        played(
            "own -c, noisy",
            &[InFlight],
            &["10 requests in flight that are allowed; more would help"],
            |job| {
                fixed(job, 10);
                job.save = full(1000, NOISE);
            },
        ),
        played(
            "own -c, far too high",
            &[Service, InFlight],
            &["overload", "fewer would be quicker"],
            |job| {
                fixed(job, 200);
                job.save = full(20, 0.0);
            },
        ),
        played(
            "own quota of saves",
            &[Quota],
            &["the quota that was set, 50 requests a second"],
            |job| {
                job.options.save_quota = requests(50.0);
            },
        )
        .near(),
        played(
            "own quota of fetches",
            &[Quota],
            &["the quota of fetches that was set, 50 requests a second"],
            |job| {
                job.options.fetch_quota = requests(50.0);
                job.fetch = Some(full(1000, NOISE));
            },
        )
        .near(),
        played(
            "own quota of tokens",
            &[Quota],
            &["the quota of fetches that was set, 5000 tokens a second"],
            |job| {
                job.options.fetch_quota.units = Some(5000.0);
                job.fetch = Some(Played {
                    cost: Some(100.0),
                    ..full(1000, 0.0)
                });
            },
        )
        .near(),
        played(
            "quota found",
            &[Quota],
            &["found to be about", "requests a second"],
            |job| {
                (job.items, job.save.quota) = (6000, Some((100.0, 20.0)));
            },
        )
        .finds(100.0),
        played(
            "quota found, noisy",
            &[Quota],
            &["found to be about", "requests a second"],
            |job| {
                (job.items, job.save) = (6000, full(1000, NOISE));
                job.save.quota = Some((100.0, 20.0));
            },
        )
        .finds(100.0),
        played(
            "quota found after a burst",
            &[Quota],
            &["found to be about"],
            |job| {
                (job.items, job.save.quota) = (3000, Some((100.0, 300.0)));
            },
        )
        .finds(100.0),
        played("source", &[Source], &["reading the input"], |job| {
            job.read = 7 * MS
        }),
        played(
            "source, noisy service",
            &[Source],
            &["reading the input"],
            |job| {
                (job.read, job.save) = (7 * MS, full(1000, NOISE));
            },
        ),
        played(
            "journal disk",
            &[Journal],
            &["writing the journal"],
            |job| {
                job.items = 60_000;
                job.journal = Some(200 * MS);
                job.save.bulk = 100;
                fixed(job, 16);
            },
        ),
        played(
            "sink disk",
            &[Output],
            &["the sink, which takes one request at a time"],
            |job| {
                job.items = 20_000;
                job.save = Played {
                    latency: 5 * MS,
                    per_record: MS / 2,
                    bulk: 1000,
                    connections: 1,
                    ..Played::default()
                };
            },
        )
        .near(),
        played(
            "sink disk, noisy",
            &[Output],
            &["the sink, which takes one request at a time"],
            |job| {
                job.save = Played {
                    latency: 5 * MS,
                    spread: NOISE,
                    connections: 1,
                    ..Played::default()
                };
            },
        )
        .near(),
        played("start", &[Start], &["starting, which took"], |job| {
            (job.items, job.save.connect) = (100, 5 * S);
            fixed(job, 100);
        }),
        played(
            "one slow save at the end",
            &[Straggler],
            &["one save of 25 s at the end", "--timeout"],
            |job| {
                fixed(job, 10);
                job.save = full(1000, 0.0);
                job.save.slow = Some((1995, 25 * S));
            },
        )
        .with("the slow request", |s| s.straggler.request_s, 25.0, 0.01),
        played(
            "one slow save at the end, noisy",
            &[Straggler],
            &["one save of 25 s at the end", "--timeout"],
            |job| {
                fixed(job, 10);
                job.save = full(1000, NOISE);
                job.save.slow = Some((1995, 25 * S));
            },
        ),
        played(
            "one slow fetch at the end",
            &[Straggler],
            &["one fetch of 25 s at the end", "--timeout"],
            |job| {
                fixed(job, 10);
                job.fetch = Some(Played {
                    slow: Some((1995, 25 * S)),
                    ..full(1000, 0.0)
                });
            },
        ),
        played(
            "requests that fail",
            &[Failures],
            &["limited by requests that failed: "],
            |job| {
                fixed(job, 10);
                job.save = full(1000, 0.0);
                job.save.fails = 0.3;
                job.options.retries = 20;
            },
        )
        .with("the share that failed", failed_share, 0.3, 0.1),
        played(
            "a few requests that fail",
            &[InFlight],
            &["10 requests in flight"],
            |job| {
                fixed(job, 10);
                job.save = full(1000, 0.0);
                job.save.fails = 0.02;
            },
        ),
        played("outage", &[Outage], &["an outage of 6"], |job| {
            fixed(job, 10);
            job.save = full(1000, 0.0);
            job.save.away = Some((5 * S, 65 * S));
        })
        .with("the outage", |s| s.outage_s, 60.0, 0.1),
        played(
            "pauses by Retry-After",
            &[Pause],
            &["for which the service asked"],
            |job| {
                fixed(job, 10);
                job.save.pauses = Some((300, 5 * S));
            },
        ),
        played("order", &[Order], &["keeping the order"], |job| {
            fixed(job, 100);
            job.items = 20_000;
            job.options.keep_order = true;
            job.save.slow = Some((1000, 20 * S));
        }),
        played(
            "all in flight at once",
            &[Fetch],
            &["the slowest of 6 fetches"],
            |job| {
                job.items = 6;
                job.fetch = Some(Played {
                    spread: 0.8,
                    ..full(1000, 0.8)
                });
            },
        ),
        played(
            "three items",
            &[Ends, InFlight, Service, Search],
            &["all were in flight at once"],
            |job| {
                (job.items, job.save) = (3, full(1000, 0.0));
            },
        ),
        played(
            "one item",
            &[Ends, InFlight, Service, Search],
            &["limited by"],
            |job| {
                (job.items, job.save) = (1, full(1000, 0.0));
            },
        ),
        played(
            "limit still being found",
            &[Search],
            &["finding the right number in flight"],
            |job| {
                (job.items, job.save) = (300, full(1000, 0.0));
                job.save.latency = S;
            },
        ),
    ]
}
