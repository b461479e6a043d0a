//! The chart of a sweep: time over the values that were tried, a line for each strategy.

use std::fmt::Write;

use super::svg::{document, step, text};
use crate::keep::recording::{Group, Recording, Run};
use crate::terminal::quantity::seconds;

/// The colours of the runs on white paper, as in the page's style sheet.
const COLOURS: [&str; 6] = [
    "#2f6fb7", "#e39a1c", "#2f9e79", "#d3302f", "#a24bc4", "#5b6675",
];

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 150.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 50.0;

/// The chart, if the recording is of a sweep.
pub(crate) fn chart(recording: &Recording) -> Option<String> {
    let key = recording.about.swept.as_ref()?;
    let groups = &recording.groups;
    let most = recording.runs().map(|run| run.summary.elapsed_s);
    let most = most.fold(1e-6, f64::max) * 1.05;
    let mut body = String::new();
    text(
        &mut body,
        LEFT,
        22.0,
        "start",
        "#1d2530",
        &format!("time of {} over {key}", recording.about.work),
    );
    rules(&mut body, most);
    for (place, group) in groups.iter().enumerate() {
        let value = group.value.as_deref().unwrap_or_default();
        let x = x(place, groups.len());
        text(
            &mut body,
            x,
            HEIGHT - BOTTOM + 20.0,
            "middle",
            "#5b6675",
            value,
        );
    }
    let mut labels: Vec<(f64, String, usize)> = Vec::new();
    for number in 0..groups.first().map_or(0, |group| group.runs.len()) {
        let runs = groups.iter().enumerate();
        let points: Vec<(f64, &Run)> = runs
            .filter_map(|(place, group): (usize, &Group)| {
                Some((x(place, groups.len()), group.runs.get(number)?))
            })
            .collect();
        line(&mut body, &points, most, number);
        if let Some((_, last)) = points.last() {
            labels.push((y(last.summary.elapsed_s, most), last.label.clone(), number));
        }
    }
    names(&mut body, labels);
    Some(document(WIDTH, HEIGHT, &body))
}

/// Values stand side by side in the order they were tried: not all of them are numbers.
fn x(place: usize, places: usize) -> f64 {
    let room = WIDTH - LEFT - RIGHT;
    match places {
        1 => LEFT + room / 2.0,
        _ => LEFT + room * place as f64 / (places - 1) as f64,
    }
}

fn y(value: f64, most: f64) -> f64 {
    HEIGHT - BOTTOM - value / most * (HEIGHT - TOP - BOTTOM)
}

fn rules(body: &mut String, most: f64) {
    let step = step(most / 6.0);
    let mut value = 0.0;
    while value < most {
        let (y, right) = (y(value, most), WIDTH - RIGHT);
        let _ = writeln!(
            body,
            "<path class=\"rule\" d=\"M{LEFT} {y:.1}H{right}\" stroke=\"#d9dde3\"/>"
        );
        let label = match value {
            0.0 => "0".to_owned(),
            _ => seconds(value),
        };
        text(body, LEFT - 8.0, y + 4.0, "end", "#5b6675", &label);
        value += step;
    }
}

fn line(body: &mut String, points: &[(f64, &Run)], most: f64, number: usize) {
    let (class, colour) = (number % COLOURS.len(), COLOURS[number % COLOURS.len()]);
    let mut path = String::new();
    for (place, (x, run)) in points.iter().enumerate() {
        let letter = if place == 0 { 'M' } else { 'L' };
        let _ = write!(path, "{letter}{x:.1} {:.1}", y(run.summary.elapsed_s, most));
    }
    let _ = writeln!(
        body,
        "<g class=\"r{class}\" fill=\"{colour}\" stroke=\"{colour}\"><path d=\"{path}\" fill=\"none\" stroke-width=\"2\"/>"
    );
    for (x, run) in points {
        let y = y(run.summary.elapsed_s, most);
        let _ = writeln!(body, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\"/>");
    }
    body.push_str("</g>\n");
}

/// The name of each line at its end, pushed apart where lines meet.
fn names(body: &mut String, mut labels: Vec<(f64, String, usize)>) {
    labels.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut free = f64::MIN;
    for (y, name, number) in labels {
        let y = y.max(free);
        free = y + 15.0;
        let colour = COLOURS[number % COLOURS.len()];
        text(body, WIDTH - RIGHT + 12.0, y + 4.0, "start", colour, &name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keep::recording::tests::recording;

    #[test]
    fn a_sweep_has_a_line_for_each_strategy_and_a_mark_for_each_value() {
        let mut recording = recording();
        assert_eq!(chart(&recording), None);
        recording.about.swept = Some("in-flight".to_owned());
        recording.groups.push(recording.groups[0].clone());
        for (group, value) in recording.groups.iter_mut().zip(["10", "100"]) {
            group.value = Some(value.to_owned());
        }
        let chart = chart(&recording).unwrap();
        assert_eq!(chart.matches("<circle").count(), 4);
        assert_eq!(chart.matches("stroke-width=\"2\"").count(), 2);
        assert!(chart.contains(">10</text>") && chart.contains(">parallel</text>"));
    }
}
