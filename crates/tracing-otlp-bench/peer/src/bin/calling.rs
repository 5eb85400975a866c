//! The calling thread, to be counted by callgrind or timed.

fn main() {
    bench_scene::run(bench_peer::setup, None);
}
