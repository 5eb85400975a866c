//! The calling thread, to be counted by callgrind or timed.

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [what, mode, records] = &arguments[..]
        && what == "admission"
    {
        let records = records.parse().expect("a number of records");
        bench_ours::admission::run(mode, records).expect("settings that agree");
    }
    bench_scene::run(bench_ours::setup, None);
}
