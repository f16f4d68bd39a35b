use super::*;

fn sym(name: &str) -> Symbol {
    Symbol { name: name.into(), id: name.bytes().map(u32::from).sum() }
}

fn dim(name: &str) -> Dim {
    Dim::symbol(sym(name))
}

fn num(n: i64) -> Dim {
    Dim::from(n)
}

#[test]
fn prints_source_syntax() {
    let (t, b) = (dim("T"), dim("B"));
    let odd = t.floor_div(2).mul(&num(2)).add(&num(1));
    assert_eq!(odd.to_string(), "2 * floor(T / 2) + 1");
    assert_eq!(num(5).sub(&t).to_string(), "5 - T");
    assert_eq!(b.mul(&t).mul(&t).sub(&b).to_string(), "B * T ** 2 - B");
    assert_eq!(t.add(&num(1)).floor_div(4).to_string(), "floor((T + 1) / 4)");
    assert_eq!(num(0).sub(&t).to_string(), "-T");
}

#[test]
fn normal_forms_coincide() {
    let t = dim("T");
    let twice = t.mul(&num(2));
    assert_eq!(twice.add(&num(7)).floor_div(2), t.add(&num(3)));
    assert_eq!(t.floor_div(2).floor_div(3), t.floor_div(6));
    assert_eq!(twice.add(&num(3)).floor_div(4), t.add(&num(1)).floor_div(2));
    assert_eq!(t.ceil_div(2), t.add(&num(1)).floor_div(2));
    assert_eq!(t.sub(&t), num(0));
    assert_eq!(num(-7).floor_div(2), num(-4));
}

#[test]
fn equal_terms_with_different_normal_forms() {
    let t = dim("T");
    // floor(T / 2) + ceil(T / 2) = T
    assert!(t.floor_div(2).add(&t.ceil_div(2)).same(&t));
    // T * (T - 1) is even.
    let pairs = t.mul(&t.sub(&num(1)));
    assert!(pairs.exact_div(2).is_some());
    assert_eq!(pairs.exact_div(4), None);
}

#[test]
fn a_difference_has_a_small_witness() {
    let t = dim("T");
    let even = t.floor_div(2).mul(&num(2));
    let expected = Verdict::Different { witness: vec![(sym("T"), 1)], left: 0, right: 1 };
    assert_eq!(even.compare(&t), expected);
}

#[test]
fn huge_periods_are_given_up() {
    let (t, huge) = (dim("T"), dim("U").floor_div(1_000_003));
    // Hermite's identity: the floors of (T + i) / 7 for i in 0..7 sum to T.
    let hermite = (0..7).map(|i| t.add(&num(i)).floor_div(7)).fold(num(0), |sum, d| sum.add(&d));
    assert!(hermite.same(&t));
    assert_eq!(huge.mul(&hermite).compare(&huge.mul(&t)), Verdict::TooLarge);
    let shifted = dim("U").add(&num(1)).floor_div(1_000_003);
    assert_ne!(huge.compare(&shifted), Verdict::Equal);
    assert!(matches!(huge.compare(&huge.add(&t)), Verdict::Different { .. }));
}

#[test]
fn overflow_is_an_answer() {
    let big = num(i64::MAX);
    assert_eq!(big.add(&num(1)), Dim::Overflow);
    assert_eq!(big.mul(&dim("T")).mul(&num(2)), Dim::Overflow);
    assert_eq!(big.mul(&dim("T")).eval(&Bindings::from([(sym("T"), 2)])), None);
    assert!(!Dim::Overflow.same(&Dim::Overflow));
    assert_eq!(num(i64::MIN).sub(&dim("T")).mul(&num(-1)), Dim::Overflow);
    assert_eq!(dim("T").pow(u32::MAX).to_string(), format!("T ** {}", u32::MAX));
}

#[test]
fn solves_linear_equations() {
    let d = dim("D");
    assert_eq!(d.add(&num(1)).solve_for(&sym("D"), &num(65)), Some(num(64)));
    assert_eq!(d.mul(&num(4)).solve_for(&sym("D"), &num(512)), Some(num(128)));
    assert_eq!(d.mul(&num(4)).solve_for(&sym("D"), &num(510)), None);
    assert_eq!(num(9).sub(&d).solve_for(&sym("D"), &dim("T")), Some(num(9).sub(&dim("T"))));
    assert_eq!(d.mul(&d).solve_for(&sym("D"), &num(4)), None);
    assert_eq!(d.add(&d.floor_div(2)).solve_for(&sym("D"), &num(3)), None);
}

#[test]
fn substitutes_and_evaluates() {
    let term = dim("H").sub(&num(3)).floor_div(2).add(&num(1));
    let halved = term.substitute(&HashMap::from([(sym("H"), dim("T").mul(&num(2)).add(&num(1)))]));
    assert_eq!(halved, dim("T"));
    assert_eq!(term.eval(&Bindings::from([(sym("H"), 28)])), Some(13));
    assert_eq!(term.eval(&Bindings::new()), None);
    assert_eq!(term.mul(&dim("B")).symbols(), vec![sym("B"), sym("H")]);
}

#[test]
fn intervals_bound_terms() {
    let t = dim("T");
    let ranges = HashMap::from([(sym("T"), (2, 128))]);
    assert_eq!(t.sub(&num(3)).floor_div(2).interval(&ranges), (Some(-1), Some(62)));
    assert_eq!(t.interval(&HashMap::new()), (Some(1), None));
    assert_eq!(num(4).sub(&t).interval(&HashMap::new()), (None, Some(3)));
    assert_eq!(t.sub(&num(5)).pow(2).interval(&ranges).1, Some(128 * 128 - 20 + 25));
    assert_eq!(t.mul(&dim("B")).interval(&ranges), (Some(2), None));
    assert_eq!(t.sub(&t.floor_div(2)).interval(&ranges), (Some(1), Some(64)));
    assert_eq!(t.sub(&t.floor_div(4).mul(&num(4))).interval(&HashMap::new()), (Some(0), Some(3)));
}

/// Source terms, evaluated by their definition: the oracle for the verdicts.
#[derive(Clone, Debug)]
enum Expr {
    Num(i64),
    Var(usize),
    Add(Box<Expr>, Box<Expr>),
    Sub(Box<Expr>, Box<Expr>),
    Mul(Box<Expr>, Box<Expr>),
    Floor(Box<Expr>, i64),
    Ceil(Box<Expr>, i64),
}

const NAMES: [&str; 2] = ["A", "B"];

impl Expr {
    fn value(&self, at: [i64; 2]) -> i64 {
        match self {
            Expr::Num(n) => *n,
            Expr::Var(v) => at[*v],
            Expr::Add(a, b) => a.value(at) + b.value(at),
            Expr::Sub(a, b) => a.value(at) - b.value(at),
            Expr::Mul(a, b) => a.value(at) * b.value(at),
            Expr::Floor(a, n) => (a.value(at) as f64 / *n as f64).floor() as i64,
            Expr::Ceil(a, n) => (a.value(at) as f64 / *n as f64).ceil() as i64,
        }
    }

    fn dim(&self) -> Dim {
        match self {
            Expr::Num(n) => num(*n),
            Expr::Var(v) => dim(NAMES[*v]),
            Expr::Add(a, b) => a.dim().add(&b.dim()),
            Expr::Sub(a, b) => a.dim().sub(&b.dim()),
            Expr::Mul(a, b) => a.dim().mul(&b.dim()),
            Expr::Floor(a, n) => a.dim().floor_div(*n),
            Expr::Ceil(a, n) => a.dim().ceil_div(*n),
        }
    }

    /// The same function, written differently.
    fn rewritten(&self) -> Expr {
        match self.clone() {
            Expr::Add(a, b) => Expr::Add(b.rewritten().into(), a.rewritten().into()),
            Expr::Sub(a, b) => {
                let negated = Expr::Mul(Expr::Num(-1).into(), b.rewritten().into());
                Expr::Add(a.rewritten().into(), negated.into())
            }
            Expr::Mul(a, b) => Expr::Mul(b.rewritten().into(), a.rewritten().into()),
            Expr::Floor(a, n) => {
                let negated = Expr::Sub(Expr::Num(0).into(), a.rewritten().into());
                Expr::Sub(Expr::Num(0).into(), Expr::Ceil(negated.into(), n).into())
            }
            // ceil(a / n) = floor(a / n) + ceil((a - n * floor(a / n)) / n)
            Expr::Ceil(a, n) => {
                let floor = Expr::Floor(a.clone(), n);
                let rest = Expr::Sub(a, Expr::Mul(Expr::Num(n).into(), floor.clone().into()).into());
                Expr::Add(floor.into(), Expr::Ceil(rest.into(), n).into())
            }
            leaf => leaf,
        }
    }
}

/// xorshift64*
struct Rng(u64);

impl Rng {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % n
    }

    fn expr(&mut self, depth: u32) -> Expr {
        let kind = if depth == 0 { self.below(2) } else { self.below(7) };
        let mut child = || Box::new(self.expr(depth.saturating_sub(1)));
        match kind {
            0 => Expr::Num(self.below(7) as i64 - 3),
            1 => Expr::Var(self.below(2) as usize),
            2 => Expr::Add(child(), child()),
            3 => Expr::Sub(child(), child()),
            4 => Expr::Mul(child(), child()),
            5 => Expr::Floor(child(), self.below(3) as i64 + 2),
            _ => Expr::Ceil(child(), self.below(3) as i64 + 2),
        }
    }
}

fn check_verdict(left: &Expr, right: &Expr) -> Verdict {
    let verdict = left.dim().compare(&right.dim());
    let differ = |at: [i64; 2]| left.value(at) != right.value(at);
    match &verdict {
        Verdict::Equal => {
            let at = (1..=14).flat_map(|a| (1..=14).map(move |b| [a, b])).find(|at| differ(*at));
            assert_eq!(at, None, "{left:?} and {right:?} were called equal");
        }
        Verdict::Different { witness, left: l, right: r } => {
            let at = NAMES.map(|n| witness.iter().find(|(s, _)| *s == sym(n)).map_or(1, |(_, v)| *v));
            assert_eq!((left.value(at), right.value(at)), (*l, *r), "{left:?} and {right:?} at {at:?}");
            assert_ne!(l, r);
        }
        Verdict::TooLarge => {}
    }
    verdict
}

#[test]
fn intervals_contain_every_value() {
    let mut rng = Rng(11);
    let ranges = HashMap::from([(sym("A"), (2, 9)), (sym("B"), (1, 6))]);
    for _ in 0..2000 {
        let expr = rng.expr(3);
        let (lo, hi) = expr.dim().interval(&ranges);
        for at in (2..=9).flat_map(|a| (1..=6).map(move |b| [a, b])) {
            let value = expr.value(at);
            let inside = lo.is_none_or(|lo| lo <= value) && hi.is_none_or(|hi| value <= hi);
            assert!(inside, "{expr:?} is {value} at {at:?}, outside {lo:?}..={hi:?}");
        }
    }
}

#[test]
fn verdicts_agree_with_evaluation() {
    let mut rng = Rng(7);
    let (mut equal, mut too_large) = (0, 0);
    for i in 0..2000 {
        let left = rng.expr(3);
        let right = if i % 2 == 0 { left.rewritten() } else { rng.expr(3) };
        let verdict = check_verdict(&left, &right);
        equal += usize::from(verdict == Verdict::Equal);
        too_large += usize::from(verdict == Verdict::TooLarge);
        assert!(i % 2 == 1 || !matches!(verdict, Verdict::Different { .. }), "{left:?} was called different");
    }
    assert!(equal >= 950 && too_large < 40, "{equal} equal, {too_large} undecided");
}
