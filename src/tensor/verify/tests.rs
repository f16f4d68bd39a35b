use super::verify;
use crate::tensor::parse::parse;

/// The violations of a graph with this body, without the graph's name.
fn problems(body: &str) -> Vec<String> {
    let graph = parse(&format!("graph \"f\" {{\n{body}\n}}")).expect("parses");
    let problems = verify(&graph).err().unwrap_or_default();
    problems.into_iter().map(|p| p.strip_prefix("f: ").unwrap_or(&p).to_string()).collect()
}

#[track_caller]
fn ok(body: &str) {
    assert_eq!(problems(body), [""; 0]);
}

#[track_caller]
fn fails(body: &str, expected: &[&str]) {
    assert_eq!(problems(body), expected);
}

#[test]
fn a_step_is_well_formed() {
    ok(r#"%0: f32[2] = input "w" param
        %1: i32[] = input "step" scalar
        %2: i32[4] = input "rows" rows
        %3: u8[9, 2] = input "D.x" column
        %4: f32[] = reduce_sum %0 {axes [0]}
        %5: f32[2] = grad %4, %0
        %6: bool[] = const true
        output update "w" %5
        output report "loss" %4 weight %4
        output check "finite" %6"#);
}

#[test]
fn values_are_defined_once_before_use() {
    fails("%0: f32[] = exp %1", &["%0 = exp: uses %1 before its definition"]);
    fails("%0: f32[] = exp %0", &["%0 = exp: uses %0 before its definition"]);
    fails("%0: f32[] = const 1.0\n%0: f32[] = const 2.0", &["%0 = const: defines %0 again"]);
}

#[test]
fn types_follow_the_shape_rules() {
    fails("%0: f32[2] = input \"x\" arg\n%1: f32[3] = exp %0", &["%1 = exp: results are (f32[3]), expected (f32[2])"]);
    fails(
        "%0: f32[2] = input \"x\" arg\n%1: f32[3] = input \"y\" arg\n%2: f32[2] = add %0, %1",
        &["%2 = add: axis 0 of argument 1 must be 2, found 3"],
    );
    fails("%0: f32[] = const 1", &["%0 = const: a literal is not of f32"]);
    fails("%0: f32[1] = const 1.0", &["%0 = const: the result's shape is not the operation's"]);
    fails("%0: i32[2] = table {elements [1], shape [2]}", &["%0 = table: 1 elements do not make 2"]);
}

#[test]
fn roles_have_their_types() {
    fails("%0: f32[4] = input \"rows\" rows", &["%0 = input: f32[4] `rows` cannot be a rows"]);
    fails("%0: i32[] = input \"time\" scalar", &["%0 = input: i32[] `time` cannot be a scalar"]);
    fails("%0: i32[] = input \"D.x\" column", &["%0 = input: i32[] `D.x` cannot be a column"]);
    fails(
        "%0: f32[] = input \"w\" param\n%1: f32[] = input \"w\" buffer",
        &["%1 = input: another input is called `w`"],
    );
    ok("%0: i32[] = input \"step\" param\n%1: i32[] = input \"step\" scalar");
}

#[test]
fn outputs_fit_their_roles() {
    fails("output result \"y\" %0", &["output `y`: %0 is not defined"]);
    let w = "%0: f32[2] = input \"w\" param\n%1: f32[] = const 1.0\n";
    fails(&format!("{w}output update \"w\" %1"), &["output `w`: updates f32[2] with f32[]"]);
    fails(
        &format!("{w}output update \"v\" %0"),
        &["output `v`: updates nothing: no param, buffer or optstate has this name"],
    );
    fails(&format!("{w}output update \"w\" %0\noutput update \"w\" %0"), &["output `w`: is updated twice"]);
    fails(&format!("{w}output report \"l\" %1 weight %0"), &["output `l`: a report and its weight are f32 scalars"]);
    fails(&format!("{w}output check \"c\" %1"), &["output `c`: a check is a bool scalar"]);
}

fn composite(body_output: &str, vjp: &str) -> String {
    format!(
        r#"%0: f32[2] = input "x" arg
        %1: i32[2] = input "i" arg
        %2: f32[2] = composite "c" %0, %1
        graph "body" {{
          %0: f32[2] = input "x" arg
          %1: i32[2] = input "i" arg
          output result "y" {body_output}
        }}
        {vjp}"#
    )
}

#[test]
fn regions_have_the_signature_of_their_composite() {
    let vjp = r#"graph "vjp" {
        %0: f32[2] = input "x" arg
        %1: i32[2] = input "i" arg
        %2: f32[2] = input "y" arg
        %3: f32[2] = input "y_adj" arg
        output result "x_adj" %3
    }"#;
    ok(&composite("%0", ""));
    ok(&composite("%0", vjp));
    fails(&composite("%1", ""), &["%2 = composite: outputs of body are (i32[2]), expected (f32[2])"]);
    let short = vjp.replace("%3: f32[2] = input \"y_adj\" arg", "").replace("%3", "%2");
    let expected = "inputs of vjp are (f32[2], i32[2], f32[2]), expected (f32[2], i32[2], f32[2], f32[2])";
    fails(&composite("%0", &short), &[&format!("%2 = composite: {expected}")]);
    let param = vjp.replace("\"i\" arg", "\"i\" param");
    fails(&composite("%0", &param), &["%2 = composite: vjp has roles that only a function has"]);
    fails("%0: f32[] = composite \"c\"", &["%0 = composite: has 0 regions"]);
    fails("%0: f32[] = const 1.0\ngraph \"g\" {\n}", &["%0 = const: has 1 regions"]);
    let inner = composite("%0", &vjp.replace("%3\n", "%9\n"));
    assert!(problems(&inner)[0].contains("vjp: output `x_adj`: %9 is not defined"));
}

#[test]
fn a_gradient_needs_a_float_scalar() {
    let x = "%0: f32[2] = input \"x\" arg\n%1: i32[] = const 1\n";
    fails(&format!("{x}%2: f32[2] = grad %0, %0"), &["%2 = grad: argument 0 must have 0 axes, found 1"]);
    fails(&format!("{x}%2: f32[2] = grad %1, %0"), &["%2 = grad: argument 0 must be of a float type, found i32"]);
}

/// Running sums of x, scaled, and the position as a y.
const SCAN: &str = r#"%0: f32[3] = input "scale" arg
    %1: f32[3] = input "h" arg
    %2: f32[5, 3] = input "x" arg
    %3: f32[3], %4: i32[5] = scan %0, %1, %2 {carries 1, xs 1, length 5}
    graph "body" {
      %0: i32[] = input "i" arg
      %1: f32[3] = input "const0" arg
      %2: f32[3] = input "carry0" arg
      %3: f32[3] = input "x0" arg
      %4: f32[3] = mul %1, %3
      %5: f32[3] = add %2, %4
      output result "carry0" %5
      output result "y0" %0
    }"#;

#[track_caller]
fn scan_fails(from: &str, to: &str, expected: &str) {
    assert!(SCAN.contains(from), "{from}");
    fails(&SCAN.replace(from, to), &[&format!("%3 = scan: {expected}")]);
}

#[test]
fn a_scan_and_its_body_fit() {
    ok(SCAN);
    scan_fails("carries 1, xs 1", "carries 3, xs 1", "expected 4 arguments or more, found 3");
    scan_fails("length 5", "length 4", "axis 0 of argument 2 must be 4, found 5");
    scan_fails("length 5", "length 5, checkpoint 0", "a checkpoint stands every 1 step or more");
    scan_fails("length 5", "length 5, while_carry true", "argument 1 must be of bool, found f32");
    scan_fails("%3: f32[3], %4: i32[5]", "%3: f32[3], %4: i32[4]", "axis 0 of a stacked result is the scan's length");
    scan_fails("%3: f32[3], %4: i32[5]", "%3: f32[3], %4: i32[]", "a stacked result has an axis for the steps");
    let inputs = "inputs of body are (i32[], f32[3], f32[3], f32[2]), expected (i32[], f32[3], f32[3], f32[3])";
    let body = SCAN.replace("%3: f32[3] = input \"x0\"", "%3: f32[2] = input \"x0\"");
    assert!(problems(&body).contains(&format!("%3 = scan: {inputs}")), "{:?}", problems(&body));
    scan_fails("\"carry0\" %5", "\"carry0\" %0", "outputs of body are (i32[], i32[]), expected (f32[3], i32[])");
    scan_fails("\"y0\" %0", "\"y0\" %5", "outputs of body are (f32[3], f32[3]), expected (f32[3], i32[])");
    scan_fails("\"i\" arg", "\"i\" param", "body has roles that only a function has");
    scan_fails("output result \"y0\" %0", "", "outputs of body are (f32[3]), expected (f32[3], i32[])");
    let final_carry = SCAN.replace("%3: f32[3], %4", "%3: f32[4], %4");
    assert!(problems(&final_carry).contains(&"%3 = scan: last carries are (f32[4]), expected (f32[3])".to_string()));
    let regions = SCAN.split("graph \"body\"").next().unwrap();
    fails(regions, &["%3 = scan: has 0 regions"]);
}
