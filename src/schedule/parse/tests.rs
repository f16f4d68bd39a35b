use super::*;
use crate::ops::DType;

const STEP: &str = r#"step "step" {
  "Digits.\"image\"" -> b0
  "head.bias" -> b1
  b3, b4 = k0 rows(b0, b1) over 16
  barrier
  b1 = k12 head_columns() over 1
  b1 -> "head.bias"
  b4 -> "loss is finite"
}
"#;

const BUFFERS: &str = r#"b0 i32[], 64 bytes, input 11: "step"
b1 f32[8, 24] in panels of 16, 1024 bytes, arena + 64: "a \"b\" c"
b2 u8[3], 64 bytes, constant 0: "k"
arena of 1088 bytes
"#;

#[test]
fn step_programs_round_trip() {
    let read = step(STEP).unwrap();
    assert_eq!(read.to_string(), STEP);
    assert_eq!(read.inputs[0], ("Digits.\"image\"".into(), BufferId(0)));
    let barriers: Vec<(bool, usize, usize)> = read.launches.iter().map(|l| (l.barrier, l.kernel, l.points)).collect();
    assert_eq!(barriers, [(false, 0, 16), (true, 12, 1)]);
    assert_eq!(read.launches[0].writes, [BufferId(3), BufferId(4)]);
    assert_eq!(read.outputs[1], (BufferId(4), "loss is finite".into()));
}

#[test]
fn tables_of_buffers_round_trip() {
    let read = buffers(BUFFERS).unwrap();
    assert_eq!(read.to_string(), BUFFERS);
    assert_eq!(read.rows[1].ty.to_string(), "f32[8, 24]");
    assert_eq!((read.rows[1].layout, read.rows[1].place), (Layout::Panel { width: 16 }, Place::Arena { offset: 64 }));
    assert_eq!((read.rows[2].ty.dtype, read.rows[2].place), (DType::U8, Place::Constant { data: 0 }));
    assert_eq!(read.arena_bytes, 1088);
}

#[test]
fn errors_name_the_line() {
    let fails = |text: &str, message: &str| assert_eq!(step(text), Err(message.to_string()));
    fails("step \"s\" {\n b1 = rows() over 3\n}", "line 2: expected a kernel, found Word(\"rows\")");
    fails("step \"s\" {\n barrier\n}", "line 3: expected a buffer, found Sign('}')");
    fails("step \"s\" {", "expected a buffer, found the end");
    let wrong = "b0 i32[], 64 bytes, heap 3: \"x\"\narena of 0 bytes";
    assert_eq!(
        buffers(wrong),
        Err("line 1: expected a place after `arena`, `input` or `constant`, found Lit(Int(3))".into())
    );
}
