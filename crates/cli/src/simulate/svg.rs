//! Draws what happened: in flight and limit, goodput, and latency over time, one above the other.

use std::fmt::Write;

use inflight_lab::Scenario;

use super::trace::{STEP_S, Step};
use super::world::Played;

const WIDTH: f64 = 960.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 50.0;
/// Height of one panel, and the space between two.
const HEIGHT: f64 = 150.0;
const GAP: f64 = 40.0;
/// Points of a curve: about as many as pixels.
const POINTS: usize = 480;

/// One curve: its name, colour, and values.
struct Curve<'a> {
    name: &'a str,
    colour: &'a str,
    values: Vec<f64>,
}

/// One panel with its curves on one scale.
struct Panel<'a> {
    title: &'a str,
    curves: Vec<Curve<'a>>,
}

/// The picture of a scenario that was played, as an SVG document.
pub fn svg(scenario: &Scenario, played: &Played) -> String {
    let steps = &played.trace.steps;
    let together = steps.len().div_ceil(POINTS).max(1);
    let bins: Vec<&[Step]> = steps.chunks(together).collect();
    let curve = |name, colour, value: &dyn Fn(&[Step]) -> f64| Curve {
        name,
        colour,
        values: bins.iter().map(|bin| value(bin)).collect(),
    };
    let panels = [
        Panel {
            title: "in flight",
            curves: vec![
                curve("limit", "#d95f02", &|bin| bin[bin.len() - 1].limit),
                curve("in flight", "#1b6ca8", &|bin| {
                    mean(bin, |step| step.in_flight)
                }),
            ],
        },
        Panel {
            title: "saves and refusals a second",
            curves: vec![
                curve("saved", "#2a7f3f", &|bin| {
                    mean(bin, |step| f64::from(step.saved) / STEP_S)
                }),
                curve("refused", "#c0392b", &|bin| {
                    mean(bin, |step| f64::from(step.refused) / STEP_S)
                }),
            ],
        },
        Panel {
            title: "mean latency, ms",
            curves: vec![curve("latency", "#6c3483", &|bin| {
                let saved: f64 = bin.iter().map(|step| f64::from(step.saved)).sum();
                let sum: f64 = bin.iter().map(|step| step.latency_s).sum();
                1e3 * sum / saved.max(1.0)
            })],
        },
    ];
    let lasting = steps.len() as f64 * STEP_S;
    let height = TOP + panels.len() as f64 * (HEIGHT + GAP);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    text(&mut out, LEFT, 24.0, "start", &heading(scenario, played));
    for (number, panel) in panels.iter().enumerate() {
        draw(
            &mut out,
            panel,
            TOP + number as f64 * (HEIGHT + GAP),
            lasting,
        );
    }
    out + "</svg>\n"
}

fn heading(scenario: &Scenario, played: &Played) -> String {
    let seen = &played.simulated;
    format!(
        "{}, seed {}: {:.1} % of {:.0} saves/s, {:.2} times the knee of {:.0} in flight",
        scenario.name,
        seen.seed,
        seen.throughput_ratio * 100.0,
        seen.optimum,
        seen.in_flight_over_knee,
        seen.knee
    )
}

fn draw(out: &mut String, panel: &Panel<'_>, top: f64, lasting: f64) {
    let values = panel.curves.iter().flat_map(|curve| &curve.values);
    let most = nice(values.copied().fold(0.0, f64::max));
    let across = WIDTH - LEFT - RIGHT;
    let bottom = top + HEIGHT;
    // Nothing can fail that writes into a string.
    let _ = writeln!(
        out,
        "<path d=\"M{LEFT} {top}V{bottom}H{}\" fill=\"none\" stroke=\"#888\"/>",
        LEFT + across
    );
    text(out, LEFT, top - 8.0, "start", panel.title);
    text(out, LEFT - 6.0, top + 4.0, "end", &format!("{most}"));
    text(out, LEFT - 6.0, bottom + 4.0, "end", "0");
    text(
        out,
        LEFT + across,
        bottom + 14.0,
        "end",
        &format!("{lasting:.0} s"),
    );
    for (number, curve) in panel.curves.iter().enumerate() {
        let mut points = String::new();
        let last = curve.values.len().saturating_sub(1).max(1) as f64;
        for (index, value) in curve.values.iter().enumerate() {
            let x = LEFT + across * index as f64 / last;
            let _ = write!(points, "{x:.1},{:.1} ", bottom - HEIGHT * value / most);
        }
        let _ = writeln!(
            out,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"1.3\"/>",
            points.trim_end(),
            curve.colour
        );
        let x = LEFT + across - 90.0 * number as f64;
        let _ = writeln!(
            out,
            "<text x=\"{x}\" y=\"{}\" text-anchor=\"end\" fill=\"{}\">{}</text>",
            top - 8.0,
            curve.colour,
            curve.name
        );
    }
}

fn text(out: &mut String, x: f64, y: f64, anchor: &str, words: &str) {
    let words = words.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(
        out,
        "<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{words}</text>"
    );
}

/// The next of 1, 2, 5, 10, … at or above.
fn nice(most: f64) -> f64 {
    let power = 10_f64.powf(most.max(1.0).log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0];
    steps
        .into_iter()
        .map(|step| step * power)
        .find(|step| *step >= most)
        .unwrap_or(most)
}

fn mean(bin: &[Step], value: impl Fn(&Step) -> f64) -> f64 {
    bin.iter().map(value).sum::<f64>() / bin.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_end_at_round_numbers() {
        for (most, end) in [
            (0.0, 1.0),
            (107.0, 200.0),
            (1000.0, 1000.0),
            (2001.0, 5000.0),
        ] {
            assert_eq!(nice(most), end, "{most}");
        }
    }
}
