//! A recording as bytes: one line of JSON that says all but the spans, and behind it the packed spans of each run.
//!
//! Not compressed: it is written while somebody waits for the prompt, and the shelf is small.

use anyhow::{Context, ensure};

use super::columns;
use super::whole::{Recording, VERSION};

/// What the first line begins with, so that other files are told apart at once.
const MAGIC: &str = "inflight recording ";

/// The bytes of a recording.
///
/// # Errors
/// None that is known; JSON says so.
pub(crate) fn encode(recording: &mut Recording) -> anyhow::Result<Vec<u8>> {
    let mut columns = Vec::new();
    for run in recording
        .groups
        .iter_mut()
        .flat_map(|group| &mut group.runs)
    {
        let packed = columns::pack(&run.spans);
        run.span_bytes = packed.len();
        columns.push(packed);
    }
    let mut bytes = MAGIC.as_bytes().to_vec();
    serde_json::to_writer(&mut bytes, recording)?;
    bytes.push(b'\n');
    columns.iter().for_each(|packed| bytes.extend(packed));
    Ok(bytes)
}

/// The recording that was encoded.
///
/// # Errors
/// When the bytes are no recording, one of a later version, or damaged.
pub(crate) fn decode(bytes: &[u8]) -> anyhow::Result<Recording> {
    let rest = bytes
        .strip_prefix(MAGIC.as_bytes())
        .context("it is no recording of a run")?;
    let end = rest.iter().position(|&byte| byte == b'\n');
    let end = end.context("it ends early")?;
    let version: Version = serde_json::from_slice(&rest[..end]).context("its head is damaged")?;
    ensure!(
        version.about.version == VERSION,
        "it has version {}, and this program reads version {VERSION}",
        version.about.version
    );
    let mut recording: Recording =
        serde_json::from_slice(&rest[..end]).context("its head is damaged")?;
    let mut rest = &rest[end + 1..];
    for run in recording
        .groups
        .iter_mut()
        .flat_map(|group| &mut group.runs)
    {
        let split = rest.split_at_checked(run.span_bytes);
        let (packed, after) = split.context("it ends early")?;
        run.spans = columns::unpack(packed).context("its spans are damaged")?;
        rest = after;
    }
    Ok(recording)
}

/// As much as must be read to know whether the rest can be.
#[derive(serde::Deserialize)]
struct Version {
    about: VersionAbout,
}

#[derive(serde::Deserialize)]
struct VersionAbout {
    version: u32,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::keep::recording::span::{Kind, Span};
    use crate::keep::recording::{About, Group, Kept, Run, Sampled};
    use crate::show::table::tests::summary;
    use inflight::Strategy;

    /// Two runs of three items, in one group.
    pub(crate) fn recording() -> Recording {
        let kept = || Kept {
            spans: vec![
                Span::of_micros(0, Kind::Compute, 0, 16_000),
                Span::of_micros(0, Kind::Save, 17_000, 100_000),
                Span::of_micros(1, Kind::Compute, 16_000, 16_000),
                Span::of_micros(1, Kind::SaveFailed, 33_000, 100_000),
                Span::of_micros(1, Kind::Save, 233_000, 100_000),
                Span::of_micros(2, Kind::Compute, 32_000, 16_000),
                Span::of_micros(2, Kind::Dead, 48_000, 0),
            ],
            sampled: Sampled {
                items: 3,
                every: 1,
                faults_dropped: 0,
            },
            ..Kept::default()
        };
        let run = |strategy: Strategy, elapsed_s| {
            Run::new(strategy.name(), summary(strategy, elapsed_s), 2, kept())
        };
        Recording {
            about: About {
                version: VERSION,
                program: "0.1.0".to_owned(),
                id: "20261124-144843".to_owned(),
                started: "2026-11-24T14:48:43Z".to_owned(),
                command: "inflight compare 0..3".to_owned(),
                work: "3 items × bcrypt:8 → lab:?latency=100ms".to_owned(),
                cores: 2,
                settings: vec![("in-flight".to_owned(), "100".to_owned())],
                swept: None,
            },
            groups: vec![Group {
                value: None,
                compared: None,
                runs: vec![run(Strategy::Async, 0.4), run(Strategy::Parallel, 0.34)],
            }],
        }
    }

    #[test]
    fn what_is_encoded_comes_back() {
        let decoded = decode(&encode(&mut recording()).unwrap()).unwrap();
        assert_eq!(decoded.about, recording().about);
        for (decoded, run) in decoded.runs().zip(recording().runs()) {
            assert_eq!(decoded.spans, run.spans);
            assert_eq!(decoded.summary, run.summary);
        }
    }

    #[test]
    fn what_is_none_or_damaged_or_newer_is_refused() {
        let check = |bytes: &[u8], part: &str| {
            let error = format!("{:#}", decode(bytes).unwrap_err());
            assert!(error.contains(part), "{error}");
        };
        let bytes = encode(&mut recording()).unwrap();
        check(b"{}", "no recording");
        check(&bytes[..bytes.len() - 1], "ends early");
        check(&bytes[..100], "ends early");
        let mut later = recording();
        later.about.version = 3;
        check(&encode(&mut later).unwrap(), "it has version 3");
    }
}
