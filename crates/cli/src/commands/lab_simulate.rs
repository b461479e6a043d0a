//! `inflight lab simulate`: plays a scenario in virtual time, and says what it came to.

use crate::simulate::{Played, Simulated, play, svg, sweep};
use inflight_lab::{Length, Scenario};

use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::flags::lab::SimulateArgs;
use crate::show::json;
use crate::terminal::out_file::OutFile;
use crate::terminal::stdout;

/// Plays it once.
pub(crate) fn simulate(args: SimulateArgs) -> Result<Exit> {
    let scenario = Scenario::read(&args.scenario).map_err(Error::usage)?;
    if args.sweep {
        return tell_best(&scenario);
    }
    let out = OutFile::open(args.json.as_deref())?;
    let picture = OutFile::open(args.svg.as_deref())?;
    if out.is_stdout() && picture.is_stdout() {
        return Err(Error::usage(
            "standard output can hold one of --json and --svg; give the other a file",
        ));
    }
    let is_told = !out.is_stdout() && !picture.is_stdout();
    let played = play(&scenario, args.seed);
    if played.is_given_up {
        return Err(Error::usage(format!(
            "{}: given up after {:.0} s of its time, with the last item saved after {:.1} s; a `duration` in place of \
             `items` shows as much of it as you like",
            args.scenario.display(),
            played.simulated.elapsed_s,
            played.trace.saved_until_s(),
        )));
    }
    if !picture.is_nowhere() {
        picture.write(svg(&scenario, &played).as_bytes())?;
    }
    if is_told {
        let is_finite = matches!(scenario.length, Length::Items(_));
        stdout::write(&told(&played, is_finite, args.verbose))?;
    }
    json::write(out, &played.simulated)?;
    Ok(Exit::Success)
}

fn told(played: &Played, is_finite: bool, with_decisions: bool) -> String {
    let mut text = String::new();
    for (at, decision) in played.trace.decisions.iter().filter(|_| with_decisions) {
        text += &format!("{:8.2} s  {decision}\n", at.as_secs_f64());
    }
    let Simulated {
        name,
        seed,
        elapsed_s,
        bound_s,
        attainment,
        throughput,
        optimum,
        knee,
        in_flight_over_knee,
        peak_over_knee,
        rejected_ratio,
        converge_s,
        limit_final,
        ..
    } = &played.simulated;
    let percent = attainment * 100.0;
    let done = match is_finite {
        true => format!(
            "over in {elapsed_s:.2} s, {percent:.1} % of the limit of {bound_s:.2} s ({throughput:.1} saves/s)"
        ),
        false => format!(
            "{percent:.1} % of what could be in {elapsed_s:.1} s ({throughput:.1} of {optimum:.1} saves/s)"
        ),
    };
    text += &format!(
        "{name}, seed {seed}: {done}\n\
         in flight: {in_flight_over_knee:.2} times the knee of {knee:.1} in the mean, {peak_over_knee:.2} at most; \
         limit {limit_final:.1} at the end\n\
         refused: {:.3} % of what was saved; ",
        rejected_ratio * 100.0
    );
    text += &match converge_s.is_nan() {
        true => "5 s at 90 % of the optimum: never\n".to_owned(),
        false => format!("5 s at 90 % of the optimum: from second {converge_s:.0} on\n"),
    };
    text
}

fn tell_best(scenario: &Scenario) -> Result<Exit> {
    for (phase, best) in sweep(scenario).iter().enumerate() {
        stdout::write(&format!(
            "phase {phase}: optimum = {:.1}, knee = {:.1}\n",
            best.optimum, best.knee
        ))?;
    }
    Ok(Exit::Success)
}
