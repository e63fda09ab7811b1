# make build    target/release/rhobust
# make demo     the paper's comparison on the built-in data set
# make test     all tests
# make hostile  a thousand scripts that want what is not theirs, each function called CALLS (200)
#               times with what it does not expect, DAMAGED (1000000) damaged pictures and as
#               many weight files
# make fuzz     feeds each reader of files and texts for FUZZED (1800) seconds, beginning with the
#               inputs kept in tests/fuzz/corpus.tar.xz; `make fuzz-keep` puts there what it found
# make check    formatting and lints
# make bench    times the session, tensor operations, loading, attacks, training and evaluations
#               beside Python
# make kills    kills runs at N random moments (300) and compares what they end with
# make faults   damages, starves and stops runs at many places
# make clean    removes what was built; `make distclean` libtorch too
#
# Each fetches libtorch into .libtorch first, unless it is there. To use another one, set
# LIBTORCH (its folder) or LIBTORCH_USE_PYTORCH=1 (the one of `python3`). GPU=1 fetches the
# CUDA libraries, GPU=0 does not; by default a first fetch looks whether there is a GPU.

PYTHON ?= python3
GPU ?= auto

# Small enough for some minutes on two cores: a few hundred images, four attack steps in
# training, the stem that halves the image twice before the first stage.
DEMO ?= run scripts/paper.rhai --set train=600 --set test=200 --set attacked=30 \
	--set epochs=3 --set adv_epochs=1 --set batch_size=32 --set lr=0.001 --set adv_lr=0.001 \
	--set steps=4 --set stem=imagenet

build: libtorch
	cargo build --release --locked

demo: build
	cargo run --release --locked --quiet -- $(DEMO)

# Tests run beside each other, so each computes with one thread.
test: libtorch
	OMP_NUM_THREADS=1 cargo test --locked --no-fail-fast

CALLS ?= 200
DAMAGED ?= 1000000

hostile: libtorch
	RHOBUST_HOSTILE=1000 RHOBUST_CALLS=$(CALLS) RHOBUST_DAMAGED=$(DAMAGED) OMP_NUM_THREADS=1 \
		cargo test --release --locked --test hostile -- --nocapture --test-threads 1

# Needs a nightly toolchain and cargo-fuzz. What is found is kept beneath target/fuzz.
# SANITIZER=address takes twice the time and sees what the decoder of JPEG, which is not all safe
# Rust, might do.
SANITIZER ?= none
FUZZED ?= 1800
FUZZ = cargo +nightly fuzz
FUZZ_OPTIONS = --fuzz-dir tests/fuzz --sanitizer $(SANITIZER) --target-dir target/fuzz

fuzz: build
	$(PYTHON) tests/fuzz/seeds.py target/release/rhobust target/fuzz/seeds
	$(PYTHON) -m tarfile -e tests/fuzz/corpus.tar.xz target/fuzz
	$(FUZZ) build $(FUZZ_OPTIONS)
	for target in $$($(FUZZ) list --fuzz-dir tests/fuzz); do \
		mkdir -p target/fuzz/corpus/$$target target/fuzz/kept/$$target && \
		$(FUZZ) run $(FUZZ_OPTIONS) $$target target/fuzz/corpus/$$target \
			target/fuzz/kept/$$target target/fuzz/seeds/$$target \
			-- -max_total_time=$(FUZZED) -rss_limit_mb=4096 -timeout=60 || exit 1; \
	done

fuzz-keep: build
	$(FUZZ) build $(FUZZ_OPTIONS)
	$(PYTHON) tests/fuzz/keep.py target/fuzz

check: libtorch
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings

# Photographs in val/<class>/ whose loading `make bench` measures.
PHOTOS ?= target/data/imagenet

# CIFAR-10 as `dataset` reads it, on which `make bench` measures evaluations and AutoAttack.
CIFAR10 ?= target/data/cifar10

# Needs the registry of Python packages once, for PyTorch and IPython (about 3 GB).
bench: build
	cargo bench --locked --no-run --bench plain_tch
	$(PYTHON) benches/bench.py "$$(ls -t target/release/deps/plain_tch-* | grep -v '\.d$$' | head -1)"
	$(PYTHON) benches/loading.py "$(PHOTOS)"
	$(PYTHON) benches/passes.py
	$(PYTHON) benches/training.py
	$(PYTHON) benches/evaluation.py "$(CIFAR10)"
	$(PYTHON) benches/autoattack.py "$(CIFAR10)"

# Some minutes each.
N ?= 300
kills: libtorch
	RHOBUST_KILLS=$(N) OMP_NUM_THREADS=1 cargo test --locked --test experiments -- kills --nocapture

faults: libtorch
	RHOBUST_FAULTS=1 OMP_NUM_THREADS=1 cargo test --locked --test experiments -- faults --nocapture

libtorch: tools
	@$(PYTHON) setup/libtorch.py --gpu $(GPU)

# torch-sys compiles C++ with what CXX names, c++ by default.
tools:
	@for tool in cargo "$${CXX:-c++}" "$(PYTHON)"; do \
		command -v "$$tool" >/dev/null || { \
			echo "make: \`$$tool\` is missing; rhobust is built with Rust, g++ and python3 with pip" >&2; \
			exit 1; \
		}; \
	done

clean:
	cargo clean

distclean: clean
	rm -rf .libtorch .libtorch.partial .libtorch.lock

.PHONY: build demo test hostile fuzz fuzz-keep check bench kills faults libtorch tools clean distclean
