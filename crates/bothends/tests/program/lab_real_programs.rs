//! Programs that nobody wrote for it, unchanged, as an ordinary user, over a line of 50 ms that loses 1 %: what they say is
//! what they would say on any network.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;

use crate::running::{PublicCopy, has, is_root, left_out, noise, run, stderr, stdout};

/// Runs both commands as nobody; none where one of the programs is missing or the system refuses the network.
fn over_a_bad_line(programs: &[&str], test: &str, words: &[&str]) -> Option<Output> {
    if !is_root(test) || !programs.iter().all(|program| has(program, test)) {
        return None;
    }
    let copy = PublicCopy::new();
    let arguments = [&["lab", "--delay", "50ms", "--loss", "1%", "--"], words].concat();
    let output = run(&mut copy.as_nobody(&arguments), b"");
    if output.status.code() == Some(77) {
        left_out(test, "this system refuses a private network");
        return None;
    }
    Some(output)
}

/// A folder that everybody may read, or write too.
fn folder(mode: u32) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
    folder
}

fn words(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// It went well, and what went over the line is told: one conversation as a verdict, several as a list.
fn assert_told(output: &Output, words: &str) {
    assert_eq!(output.status.code(), Some(0), "{}", stderr(output));
    let told = stderr(output).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains(words), "{words}: {told}");
}

/// Two delays, in milliseconds, less what the lab may take off them for the waking of programs: two kernels greet each other
/// without any, so they see it.
const ROUND_TRIP: f64 = 100.0 - 4.0 * 0.3;

/// It went well, and the server's kernel answered after a round trip.
fn assert_answered(output: &Output) {
    assert_told(output, ANSWERED);
    let told = stderr(output).split_whitespace().collect::<Vec<_>>().join(" ");
    let after: f64 = told.split_once(ANSWERED).unwrap().1.split_once(" ms").unwrap().0.parse().unwrap();
    assert!(after >= ROUND_TRIP, "{told}");
}

const ANSWERED: &str = "client opened, server answered in ";

#[test]
fn heavy_python_serves_and_curl_fetches() {
    let files = folder(0o755);
    let bytes = noise(5, 300_000);
    fs::write(files.path().join("file"), &bytes).unwrap();
    fs::set_permissions(files.path().join("file"), fs::Permissions::from_mode(0o644)).unwrap();
    let server = ["python3", "-m", "http.server", "80", "--directory", words(files.path())];
    let client = ["--", "curl", "-sS", "http://server/file"];
    let words = [&server[..], &client].concat();
    let test = "lab: python3 -m http.server and curl";
    let Some(output) = over_a_bad_line(&["python3", "curl"], test, &words) else { return };
    assert_answered(&output);
    assert!(output.stdout == bytes, "{} bytes came", output.stdout.len());
    assert!(stderr(&output).contains("server | 10.0.0.1 - -"), "{}", stderr(&output));
}

#[test]
fn heavy_iperf3_measures() {
    let words = ["iperf3", "-s", "-1", "--", "iperf3", "-c", "server", "-n", "500K", "-J"];
    let Some(output) = over_a_bad_line(&["iperf3"], "lab: iperf3", &words) else { return };
    assert_told(&output, "10.0.0.2:5201");
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    // What is still under way at the end, its server does not wait for.
    assert!(told["end"]["sum_sent"]["bytes"].as_u64().unwrap() >= 500 * 1024, "{told}");
    assert!(told["end"]["sum_received"]["bytes"].as_u64().unwrap() > 0, "{told}");
    assert_eq!(told["start"]["connected"][0]["remote_host"], "10.0.0.2");
}

#[test]
fn heavy_nc_talks_to_nc() {
    let test = "lab: nc and nc";
    let files = folder(0o755);
    let file = files.path().join("file");
    fs::write(&file, noise(6, 200_000)).unwrap();
    let send = format!("sha256sum < {0}; nc -N server 80 < {0}", words(&file));
    let words = ["sh", "-c", "nc -l 80 | sha256sum", "--", "sh", "-c", &send];
    let Some(output) = over_a_bad_line(&["nc", "sha256sum"], test, &words) else { return };
    assert_answered(&output);
    let sum = stdout(&output);
    assert!(stderr(&output).contains(&format!("server | {sum}")), "{sum}{}", stderr(&output));
}

#[test]
fn heavy_redis_cli_asks_redis_server() {
    let test = "lab: redis-server and redis-cli";
    let data = folder(0o777);
    let options = ["--save", "", "--protected-mode", "no", "--dir", words(data.path())];
    let ask = "redis-cli -h server set greeting hello; redis-cli -h server get greeting; \
               for i in 1 2 3 4 5 6 7; do echo incr counted; done | redis-cli -h server | tail -n1";
    let words = [&["redis-server"], &options[..], &["--", "sh", "-c", ask]].concat();
    let Some(output) = over_a_bad_line(&["redis-server", "redis-cli"], test, &words) else { return };
    assert_told(&output, "10.0.0.2:6379");
    assert_eq!(stdout(&output), "OK\nhello\n7\n", "{}", stderr(&output));
}

#[test]
fn heavy_ping_is_answered() {
    let words = ["sleep", "100", "--", "ping", "-n", "-c", "5", "-i", "0.2", "server"];
    let Some(output) = over_a_bad_line(&["ping"], "lab: ping", &words) else { return };
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    let times: Vec<f64> = text
        .lines()
        .filter_map(|line| line.split_once("time=")?.1.strip_suffix(" ms")?.parse().ok())
        .collect();
    // Seed 1 loses none of the first ten.
    assert_eq!(times.len(), 5, "{text}");
    assert!(times.iter().all(|ms| *ms >= ROUND_TRIP), "{text}");
}
