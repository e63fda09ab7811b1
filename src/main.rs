fn main() {
    std::process::exit(rhobust::cli::main());
}
