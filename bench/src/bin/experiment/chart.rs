//! One chart: slowdown over the time that an item takes, both on scales on which doubling is a step.

use std::fmt::Write;

/// A line.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) name: String,
    /// Milliseconds an item, and how many times as long as computing alone.
    pub(crate) points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 130.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = 50.0;
const COLOURS: [&str; 4] = ["#2f6fb7", "#e39a1c", "#2f9e79", "#d3302f"];

/// The chart of these lines. Its words are those of both pages: names of strategies, units.
pub(crate) fn lines(series: &[Series]) -> String {
    let all = || series.iter().flat_map(|series| &series.points);
    let least = all().map(|point| point.0).fold(f64::MAX, f64::min);
    let most = all().map(|point| point.0).fold(least * 1.01, f64::max);
    let highest = all().map(|point| point.1).fold(1.1, f64::max) * 1.05;
    let lowest = all().map(|point| point.1).fold(1.0, f64::min) * 0.97;
    let x = |ms: f64| {
        let share = (ms / least).ln() / (most / least).ln();
        LEFT + share * (WIDTH - LEFT - RIGHT)
    };
    let y = |slowdown: f64| {
        let share = (slowdown / lowest).ln() / (highest / lowest).ln();
        HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)
    };
    let mut body = String::new();
    for slowdown in [1.0, 1.1, 1.25, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0, 10.0, 20.0] {
        if slowdown < highest {
            let (y, right) = (y(slowdown), WIDTH - RIGHT);
            let _ = writeln!(
                body,
                "<path d=\"M{LEFT} {y:.1}H{right}\" stroke=\"#d9dde3\"/>"
            );
            text(
                &mut body,
                LEFT - 8.0,
                y + 4.0,
                "end",
                "#5b6675",
                &format!("× {slowdown}"),
            );
        }
    }
    for (ms, _) in series.iter().take(1).flat_map(|series| &series.points) {
        let label = format!("{ms:.0} ms");
        text(
            &mut body,
            x(*ms),
            HEIGHT - BOTTOM + 20.0,
            "middle",
            "#5b6675",
            &label,
        );
    }
    let mut labels: Vec<(f64, usize)> = Vec::new();
    for (number, series) in series.iter().enumerate() {
        let colour = COLOURS[number % COLOURS.len()];
        let mut path = String::new();
        for (place, (ms, slowdown)) in series.points.iter().enumerate() {
            let letter = if place == 0 { 'M' } else { 'L' };
            let _ = write!(path, "{letter}{:.1} {:.1}", x(*ms), y(*slowdown));
        }
        let _ = writeln!(
            body,
            "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>"
        );
        for (ms, slowdown) in &series.points {
            let (x, y) = (x(*ms), y(*slowdown));
            let _ = writeln!(
                body,
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{colour}\"/>"
            );
        }
        if let Some((_, slowdown)) = series.points.last() {
            labels.push((y(*slowdown), number));
        }
    }
    labels.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut free = f64::MIN;
    for (y, number) in labels {
        let y = y.max(free);
        free = y + 15.0;
        let colour = COLOURS[number % COLOURS.len()];
        text(
            &mut body,
            WIDTH - RIGHT + 12.0,
            y + 4.0,
            "start",
            colour,
            &series[number].name,
        );
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" \
         font-family=\"system-ui, sans-serif\" font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n{body}</svg>\n"
    )
}

/// Holds nothing but names of strategies and numbers, which need no escaping.
fn text(body: &mut String, x: f64, y: f64, anchor: &str, colour: &str, text: &str) {
    let _ = writeln!(
        body,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"{colour}\">{text}</text>"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_for_each_series_and_a_mark_for_each_point() {
        let series = ["async", "parallel"].map(|name| Series {
            name: name.to_owned(),
            points: vec![(16.0, 1.1), (260.0, 1.01)],
        });
        let chart = lines(&series);
        assert_eq!(chart.matches("<circle").count(), 4);
        assert!(chart.contains(">parallel</text>") && chart.contains(">260 ms</text>"));
    }
}
