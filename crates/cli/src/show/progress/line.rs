//! The figures of progress: pure, from the engine's counts; as many of them as fit into a line.

use inflight::{Counts, StageLoad};

use super::now::Known;
use crate::terminal::quantity;

/// A terminal so narrow that no bar fits beside the figures.
const BAR_FROM: usize = 36;

/// One that has room for a long bar and for names in a column.
const WIDE_FROM: usize = 80;

/// What is known of a run, and how it is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line<'a> {
    pub(crate) label: &'a str,
    /// Columns there are.
    pub(crate) width: usize,
    /// Whether colours may be used.
    pub(crate) is_styled: bool,
}

/// A figure, and how much it is needed: 0 most.
struct Part {
    text: String,
    rank: usize,
}

impl Line<'_> {
    /// The bar and the figures of a run on its way.
    pub(crate) fn running(&self, counts: &Counts, known: &Known) -> String {
        self.fitted(counts, parts(counts, known))
    }

    /// The same of a run that is over.
    pub(crate) fn over(&self, counts: &Counts) -> String {
        let took = quantity::seconds(counts.elapsed.as_secs_f64());
        let mut parts = vec![Part {
            text: format!("{} done in {took}", finished(counts)),
            rank: 0,
        }];
        if counts.dead > 0 {
            parts.push(Part {
                text: format!("{} dead", counts.dead),
                rank: 1,
            });
        }
        self.fitted(counts, parts)
    }

    /// What limits the run, below the bar.
    pub(crate) fn limits(&self, counts: &Counts, known: &Known) -> String {
        cut(&format!("  {}", known.limits(counts)), self.width)
    }

    /// Label, bar and as many figures as fit.
    fn fitted(&self, counts: &Counts, mut parts: Vec<Part>) -> String {
        let label = match self.width {
            WIDE_FROM.. => self.label,
            _ => self.label.trim_end(),
        };
        let cells = match self.width {
            WIDE_FROM.. => 24,
            BAR_FROM.. => 8,
            _ => 0,
        };
        // The label goes before a figure does.
        let mut head = label.chars().count() + 1 + cells + usize::from(cells > 0);
        let needed = parts.iter().map(|part| part.text.chars().count());
        let least = needed.min().unwrap_or(0);
        let label = match head + least <= self.width {
            true => label.to_owned(),
            false => {
                let room = self
                    .width
                    .saturating_sub(head - label.chars().count() + least);
                head -= label.chars().count();
                let label = cut(label, room.max(1));
                head += label.chars().count();
                label
            }
        };
        let length = |parts: &[Part]| {
            let texts = parts.iter().map(|part| part.text.chars().count() + 2);
            texts.sum::<usize>().saturating_sub(2)
        };
        while parts.len() > 1 && head + length(&parts) > self.width {
            let least_needed = parts.iter().map(|part| part.rank).max();
            parts.retain(|part| Some(part.rank) != least_needed);
        }
        let figures: Vec<&str> = parts.iter().map(|part| part.text.as_str()).collect();
        let mut line = format!("{label} ");
        if cells > 0 {
            line.push_str(&self.bar(counts, cells));
            line.push(' ');
        }
        let room = self.width.saturating_sub(head);
        line.push_str(&cut(&figures.join(", "), room));
        line
    }

    /// The share that is finished, to an eighth of a cell.
    fn bar(&self, counts: &Counts, cells: usize) -> String {
        const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
        let total = counts.total.unwrap_or(counts.read).max(1);
        let share = finished(counts) as f64 / total as f64;
        let eighths = ((share.min(1.0) * cells as f64 * 8.0) as usize).min(cells * 8);
        let full = format!("{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8]);
        let empty = cells - eighths.div_ceil(8);
        let rest = "░".repeat(empty);
        match self.is_styled {
            true => format!("\x1b[36m{full}\x1b[0m\x1b[2m{rest}\x1b[0m"),
            false => format!("{full}{rest}"),
        }
    }
}

/// Where a run stands, in one line of any length.
pub(crate) fn plain(counts: &Counts, known: &Known) -> String {
    let parts: Vec<String> = parts(counts, known)
        .into_iter()
        .map(|part| part.text)
        .collect();
    format!("{}; {}", parts.join(", "), known.limits(counts))
}

fn parts(counts: &Counts, known: &Known) -> Vec<Part> {
    let (load, pace) = (&counts.load, &counts.pace);
    let mut parts = Vec::new();
    let mut part = |rank, text: String| parts.push(Part { text, rank });
    let finished = finished(counts);
    match counts.total {
        Some(total) => part(1, format!("{finished} of {total}")),
        None => part(1, format!("{finished} done")),
    }
    // While the service is away the figures of before say nothing; the sentence says all.
    if counts.outage_since.is_none() {
        if pace.per_second > 0.0 {
            part(2, quantity::rate((pace.per_second * 1e6) as u64, 1e6));
        }
        part(3, in_flight(load.fetch.as_ref(), &load.save, known.ceiling));
        if let Some(cores) = pace.cores {
            part(6, format!("{cores:.1} cores"));
        }
    }
    if counts.retried > 0 {
        part(5, format!("{} retried", counts.retried));
    }
    if counts.dead > 0 {
        part(4, format!("{} dead", counts.dead));
    }
    if let Some(left) = pace.left
        && finished < counts.total.unwrap_or(0)
    {
        part(0, format!("{} to go", quantity::about(left.as_secs_f64())));
    }
    parts
}

/// `37/100 in flight`, `37/40 in flight, auto to 200` or `8/8 fetches and 2/8 saves in flight`.
fn in_flight(fetch: Option<&StageLoad>, save: &StageLoad, ceiling: Option<usize>) -> String {
    let of = |stage: &StageLoad| format!("{}/{}", stage.in_flight, stage.limit);
    let flying = match fetch {
        Some(fetch) => format!("{} fetches and {} saves", of(fetch), of(save)),
        None => of(save),
    };
    let auto = ceiling.map_or(String::new(), |most| format!(", auto to {most}"));
    format!("{flying} in flight{auto}")
}

/// Items that need nothing more.
fn finished(counts: &Counts) -> u64 {
    counts.saved + counts.dead
}

/// As much of a text as fits.
fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(width.saturating_sub(1)).collect();
    if width > 0 {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use inflight::{Load, Options, Pace};

    use super::*;

    /// A run of 120 items, half a minute in, of which half are done.
    fn standing() -> (Counts, Known) {
        let stage = StageLoad {
            in_flight: 37,
            limit: 100,
            ..StageLoad::default()
        };
        let counts = Counts {
            total: Some(120),
            read: 120,
            saved: 58,
            dead: 2,
            retried: 3,
            elapsed: Duration::from_secs(30),
            load: Load {
                save: stage,
                ..Load::default()
            },
            pace: Pace {
                per_second: 2.0,
                cores: Some(1.9),
                left: Some(Duration::from_secs(30)),
                ..Pace::default()
            },
            ..Counts::default()
        };
        (counts, Known::of(&Options::default()))
    }

    fn line(width: usize, is_styled: bool) -> String {
        let (counts, known) = standing();
        let line = Line {
            label: "run  ",
            width,
            is_styled,
        };
        line.running(&counts, &known)
    }

    #[test]
    fn as_many_figures_as_fit() {
        assert_eq!(
            line(120, false),
            "run   ████████████░░░░░░░░░░░░ 60 of 120, 2.0/s, 37/100 in flight, 1.9 cores, 3 retried, 2 dead, 30 s to go"
        );
        assert_eq!(
            line(60, false),
            "run ████░░░░ 60 of 120, 2.0/s, 37/100 in flight, 30 s to go"
        );
        assert_eq!(line(40, false), "run ████░░░░ 60 of 120, 30 s to go");
        assert_eq!(line(25, false), "run 60 of 120, 30 s to go");
        for width in 1..120 {
            assert!(
                line(width, false).chars().count() <= width.max(3),
                "{width}"
            );
        }
    }

    #[test]
    fn colours_are_used_where_they_may_be_and_take_no_room() {
        assert!(line(120, true).contains("\x1b[36m████"));
        assert!(!line(120, false).contains('\x1b'));
    }

    #[test]
    fn a_found_limit_stands_beside_the_ceiling_and_fetches_beside_saves() {
        let stage = |in_flight, limit| StageLoad {
            in_flight,
            limit,
            ..StageLoad::default()
        };
        let (fetch, save) = (stage(8, 8), stage(37, 40));
        assert_eq!(
            in_flight(None, &save, Some(200)),
            "37/40 in flight, auto to 200"
        );
        assert_eq!(
            in_flight(Some(&fetch), &save, None),
            "8/8 fetches and 37/40 saves in flight"
        );
    }
}
