from mysteer import MySteer
from steering_parity import parametrize_with_checks

READING = ["P2", "P3", "P4", "P8"]
STEERING = ["S1", "S8"]


@parametrize_with_checks(MySteer, clauses=READING)
def test_reading(check):
    check()


@parametrize_with_checks(
    MySteer,
    clauses=STEERING,
    expected_failed_checks={},  # {"S8": "in bfloat16 the sum is rounded twice, see issue 12"}
)
def test_steering(check):
    check()
