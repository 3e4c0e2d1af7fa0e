use lockstep_model::api::operator::{DecisionView, WaveFigures};
use lockstep_model::{ChannelName, PackageName, RolloutId, Version};

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn wave(
    state: WaveState,
    proven: usize,
    running: usize,
    failed: usize,
    waiting: usize,
) -> WaveView {
    WaveView {
        state,
        figures: WaveFigures {
            hosts: proven + running + failed + waiting,
            let_go: proven + running + failed,
            proven,
            running,
            failed,
            waiting,
            ..WaveFigures::default()
        },
        opened_at: None,
        proven_at: None,
        bakes_until: None,
        skipped_by: None,
        hosts: Vec::new(),
    }
}

fn rollout() -> RolloutView {
    RolloutView {
        id: RolloutId(7),
        package: PackageName::lockstep(),
        version: Version::parse("2.0.0").unwrap(),
        from: Some(Version::parse("1.0.0").unwrap()),
        channel: ChannelName::stable(),
        state: RolloutState::Running,
        why: "wave 2 of 3: 3 of 10 hosts have proven it, waits for web1, web2".into(),
        created_at: at(0),
        at: at(100),
        urgent: true,
        generation: 7,
        paused_by: None,
        strategy: None,
        gates: Vec::new(),
        suspect: None,
        cluster: None,
        expected_end: Some(at(400)),
        waves: vec![
            wave(WaveState::Proven, 1, 0, 0, 0),
            wave(WaveState::Open, 3, 2, 1, 4),
            wave(WaveState::Waiting, 0, 0, 0, 40),
        ],
        decisions: vec![
            DecisionView {
                at: at(1),
                words: "wave 1 of 3 opened: web9".into(),
            },
            DecisionView {
                at: at(61),
                words: "wave 2 of 3 opened: a, b, c, d, e and 5 more".into(),
            },
        ],
    }
}

const FRAME: Frame = Frame {
    width: 80,
    height: 24,
};

#[test]
fn a_rollout_is_drawn_with_signs_that_need_no_colour() {
    let lines = draw(&rollout(), FRAME, Paint::Plain, at(100));
    assert_eq!(
        lines.join("\n"),
        "\
rollout 7 · lockstep 1.0.0 → 2.0.0 · stable · urgent
running · wave 2 of 3: 3 of 10 hosts have proven it, waits for web1, web2

wave 1   proven    █                             1/1
wave 2   open      ██▓▓x···                      3/10  2 running, 1 failed
wave 3   waiting   ····························· 0/40
█ proven  ▓ running  ░ told  x failed  ? silent  = kept  / out  · waits  - gone
4 of 51 hosts have proven it · ordered 1 min 40 s ago · about 5 min 0 s to go

2027-01-15T08:00:01Z  wave 1 of 3 opened: web9
2027-01-15T08:01:01Z  wave 2 of 3 opened: a, b, c, d, e and 5 more"
    );
}

#[test]
fn a_picture_fits_its_frame() {
    let mut rollout = rollout();
    rollout.why = "words ".repeat(200);
    rollout.waves = vec![wave(WaveState::Open, 1, 2, 3, 5_000); 32];
    rollout.decisions = vec![rollout.decisions[1].clone(); 100];
    for width in [20, 40, 79, 200] {
        for height in [5, 10, 24, 60] {
            for paint in [Paint::Plain, Paint::Colour] {
                let frame = Frame { width, height };
                let lines = draw(&rollout, frame, paint, at(100));
                assert!(lines.len() <= height, "{} in {frame:?}", lines.len());
                for line in lines {
                    let wide = console::measure_text_width(&line);
                    assert!(wide <= width, "{wide} in {frame:?}: {line}");
                }
            }
        }
    }
}

#[test]
fn what_others_said_cannot_move_the_cursor() {
    let mut rollout = rollout();
    rollout.why = "failed: \u{1b}[2J".into();
    rollout.decisions[0].words = "\u{1b}]0;title\u{7}".into();
    let lines = draw(&rollout, FRAME, Paint::Plain, at(100));
    assert!(
        lines.iter().all(|line| !line.contains('\u{1b}')),
        "{lines:?}"
    );
}

#[test]
fn times_are_told_as_people_say_them() {
    let told = |seconds| time(at(0), at(seconds));
    assert_eq!(told(59), "59 s");
    assert_eq!(told(3_599), "59 min 59 s");
    assert_eq!(told(3_600), "1 h 0 min");
    assert_eq!(told(90_000), "1 d 1 h");
    assert_eq!(told(-5), "0 s");
}
