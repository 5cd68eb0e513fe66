from mysteer import MySteer
from steering_parity import parametrize_with_checks

READING = ["P1", "P2", "P3", "P4"]
STEERING = ["S1", "S2"]


@parametrize_with_checks(MySteer, clauses=READING, models=["tiny_qwen2", "tiny_gemma2"])
def test_reading(check):
    check()


@parametrize_with_checks(
    MySteer,
    clauses=STEERING,
    expected_failed_checks={},  # {"S2": "in bfloat16 the sum is rounded twice, see issue 12"}
)
def test_steering(check):
    check()
