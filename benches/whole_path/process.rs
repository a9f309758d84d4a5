//! What a process costs, as the operating system counts it (Linux: `/proc`).

use std::fs;

/// Seconds of CPU, user and system, of one process, its threads included, without its children.
pub fn cpu_s(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    // utime and stime are fields 14 and 15; two stand before the bracket. 100 ticks a second.
    (ticks(11) + ticks(12)) / 100.0
}

/// Seconds of CPU of all living children of a process, and of those that have ended.
pub fn children_cpu_s(parent: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{parent}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    let ended = (ticks(13) + ticks(14)) / 100.0;
    let list = format!("/proc/{parent}/task/{parent}/children");
    let living = fs::read_to_string(list).unwrap_or_default();
    living.split_whitespace().filter_map(|pid| pid.parse().ok()).map(cpu_s).sum::<f64>() + ended
}

/// Most megabytes of memory that a process had resident.
pub fn peak_rss_mb(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or("");
    let kb = line.split_whitespace().nth(1).and_then(|text| text.parse::<f64>().ok());
    kb.unwrap_or(0.0) / 1_024.0
}
