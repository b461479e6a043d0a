//! The timeline as a drawing: the same spans as on the page, all runs one above the other on one time axis.

use std::fmt::Write;

use super::sections::named_runs;
use super::sweep_chart;
use crate::keep::recording::span::{Kind, Span};
use crate::keep::recording::{Recording, Run};
use crate::terminal::quantity::{percent, seconds};

/// Colours on white paper, by their class in the style sheet of the page.
const COLOURS: [&str; 7] = [
    "#2f9e79", "#2f6fb7", "#b9bfc9", "#e39a1c", "#d3302f", "#a24bc4", "#1d2530",
];
const WAIT: usize = 2;

const WIDTH: f64 = 1200.0;
const MARGIN: f64 = 20.0;
/// Above each run, for its name.
const HEAD: f64 = 28.0;
/// Below the last, for the times.
const FOOT: f64 = 50.0;
/// A run is at least and at most this high.
const HEIGHT: (f64, f64) = (40.0, 400.0);

/// The drawing of a recording: of a sweep its chart, else its timelines.
pub(crate) fn timelines(recording: &Recording) -> String {
    if let Some(chart) = sweep_chart::chart(recording) {
        return chart;
    }
    let whole = recording.runs().map(|run| run.summary.elapsed_s);
    let whole = whole.fold(1e-6, f64::max);
    let scale = (WIDTH - 2.0 * MARGIN) / whole;
    let (mut top, mut body) = (MARGIN, String::new());
    for (name, run) in named_runs(recording) {
        let lines = Lines::of(run);
        let height = lines.height();
        let title = format!(
            "{name}: {}, {} of the limit",
            seconds(run.summary.elapsed_s),
            percent(run.summary.attainment)
        );
        text(&mut body, MARGIN, top + 18.0, "start", "#1d2530", &title);
        top += HEAD;
        lines.draw(&mut body, top, scale);
        for (at_s, colour, dash) in [
            (run.summary.elapsed_s, "#1d2530", ""),
            (run.summary.bound_s, "#d3302f", " stroke-dasharray=\"4 4\""),
        ] {
            let x = MARGIN + at_s * scale;
            let _ = writeln!(
                body,
                "<path d=\"M{x:.1} {top:.1}v{height:.1}\" stroke=\"{colour}\"{dash}/>"
            );
        }
        top += height;
    }
    axis(&mut body, top, whole, scale);
    document(WIDTH, top + FOOT, &body)
}

/// The rows of a run that are drawn, and how high each is.
struct Lines<'a> {
    rows: Vec<&'a [Span]>,
    each: f64,
}

impl<'a> Lines<'a> {
    /// No more rows than there is room for; of several that would share a line, the first, or one with a fault.
    fn of(run: &'a Run) -> Lines<'a> {
        let rows: Vec<&[Span]> = run.rows().collect();
        let height = (rows.len() as f64 * 6.0).clamp(HEIGHT.0, HEIGHT.1);
        let share = rows.len().div_ceil(height as usize).max(1);
        let of_line = |rows: &[&'a [Span]]| {
            let has_fault = |row: &&&'a [Span]| row.iter().any(|span| span.kind().is_fault());
            rows.iter().find(has_fault).copied().unwrap_or(rows[0])
        };
        let rows: Vec<&[Span]> = rows.chunks(share).map(of_line).collect();
        let each = height / rows.len().max(1) as f64;
        Lines { rows, each }
    }

    fn height(&self) -> f64 {
        self.each * self.rows.len().max(1) as f64
    }

    /// One path for each colour: a rectangle of its own for each span would be ten times the bytes.
    fn draw(&self, body: &mut String, top: f64, scale: f64) {
        let mut paths: [String; COLOURS.len()] = Default::default();
        let x = |us: u64| MARGIN + us as f64 / 1e6 * scale;
        let tall = if self.each > 3.0 {
            self.each * 0.8
        } else {
            self.each
        };
        for (number, row) in self.rows.iter().enumerate() {
            let y = top + number as f64 * self.each;
            let mut before: Option<u64> = None;
            for span in *row {
                if let Some(before) = before.filter(|before| *before < span.at_us()) {
                    let (from, to) = (x(before), x(span.at_us()));
                    bar(&mut paths[WAIT], from, to, y + tall * 0.3, tall * 0.4);
                }
                before = Some(span.end_us());
                let (from, to) = (x(span.at_us()), x(span.end_us()));
                bar(
                    &mut paths[class(span.kind())],
                    from,
                    to.max(from + 0.5),
                    y,
                    tall,
                );
            }
        }
        for (path, colour) in paths.iter().zip(COLOURS) {
            if !path.is_empty() {
                let _ = writeln!(body, "<path fill=\"{colour}\" d=\"{path}\"/>");
            }
        }
    }
}

fn class(kind: Kind) -> usize {
    match kind {
        Kind::Fetch => 0,
        Kind::Compute => 1,
        Kind::Save => 3,
        Kind::FetchFailed | Kind::SaveFailed => 4,
        Kind::FetchRefused | Kind::SaveRefused => 5,
        Kind::Dead => 6,
    }
}

fn bar(path: &mut String, from: f64, to: f64, y: f64, tall: f64) {
    let wide = to - from;
    let _ = write!(path, "M{from:.2} {y:.2}h{wide:.2}v{tall:.2}h-{wide:.2}z");
}

fn axis(body: &mut String, top: f64, whole: f64, scale: f64) {
    let step = step(whole / 10.0);
    let mut time = 0.0;
    while time <= whole {
        let x = MARGIN + time * scale;
        let _ = writeln!(
            body,
            "<path d=\"M{x:.1} {MARGIN}V{:.1}\" stroke=\"#1d2530\" stroke-opacity=\"0.12\"/>",
            top + 6.0
        );
        let digits = (-step.log10()).ceil().max(0.0) as usize;
        let label = format!("{time:.digits$} s");
        text(body, x, top + 20.0, "middle", "#5b6675", &label);
        time += step;
    }
    let legend = [
        ("fetch", 0),
        ("compute", 1),
        ("wait", WAIT),
        ("save", 3),
        ("failed", 4),
        ("refused", 5),
        ("dead letter", 6),
    ];
    for (place, (name, class)) in legend.into_iter().enumerate() {
        let (x, y) = (MARGIN + place as f64 * 110.0, top + 32.0);
        let colour = COLOURS[class];
        let _ = writeln!(
            body,
            "<rect x=\"{x}\" y=\"{y}\" width=\"10\" height=\"10\" fill=\"{colour}\"/>"
        );
        text(body, x + 15.0, y + 9.0, "start", "#5b6675", name);
    }
}

/// Steps of 1, 2 or 5, at least this large.
pub(super) fn step(least: f64) -> f64 {
    let power = 10_f64.powf(least.max(1e-9).log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|times| times * power);
    steps
        .into_iter()
        .find(|step| *step >= least)
        .unwrap_or(steps[3])
}

/// A drawing of this size, on paper of its own so that it can be read anywhere.
pub(super) fn document(width: f64, height: f64, body: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height:.0}\" width=\"{width}\" \
         height=\"{height:.0}\" font-family=\"system-ui, sans-serif\" font-size=\"13\">\n\
         <rect class=\"paper\" width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n{body}</svg>\n"
    )
}

/// A line of text, whatever it holds.
pub(super) fn text(body: &mut String, x: f64, y: f64, anchor: &str, colour: &str, text: &str) {
    let text = escaped(text);
    let _ = writeln!(
        body,
        "<text class=\"ink\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"{colour}\">{text}</text>"
    );
}

/// What XML takes for text; what it cannot hold at all becomes a blank.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            letter if letter.is_control() => escaped.push(' '),
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keep::recording::tests::recording;

    #[test]
    fn runs_share_one_time_axis() {
        let drawing = timelines(&recording());
        // The longer run ends at the right margin, the shorter one in proportion.
        let right = WIDTH - MARGIN;
        assert!(drawing.contains(&format!("M{right:.1} ")), "{drawing}");
        let other = MARGIN + 0.34 / 0.4 * (WIDTH - 2.0 * MARGIN);
        assert!(drawing.contains(&format!("M{other:.1} ")), "{drawing}");
        assert_eq!(drawing.matches("fill=\"#2f6fb7\" d=").count(), 2);
    }

    #[test]
    fn names_are_text() {
        let mut recording = recording();
        recording.groups[0].runs[0].label = "<a>\u{1b}[1m&".to_owned();
        let drawing = timelines(&recording);
        assert!(drawing.contains("&lt;a&gt; [1m&amp;:"), "{drawing}");
    }

    #[test]
    fn steps_are_round() {
        assert_eq!([0.13, 0.2, 3.0, 70.0].map(step), [0.2, 0.2, 5.0, 100.0]);
    }
}
