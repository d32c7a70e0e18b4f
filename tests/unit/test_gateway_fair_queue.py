from collections import Counter

from pada_ray.llm.fair_queue import FairQueue


def served(queue, count, units=1.0):
    names = []
    for _ in range(count):
        name, _ = queue.pop()
        queue.charge(name, units)
        names.append(name)
    return names


def filled(**sizes):
    queue = FairQueue()
    for name, size in sizes.items():
        for i in range(size):
            queue.push(name, i, ahead=False)
    return queue


def test_turns_go_round_however_much_one_has_waiting():
    assert Counter(served(filled(many=50, few=5, one=1), 11)) == {"many": 5, "few": 5, "one": 1}


def test_a_runs_items_keep_their_order_and_one_that_comes_back_goes_ahead():
    queue = filled(a=3)
    queue.push("a", "again", ahead=True)
    assert [queue.pop()[1] for _ in range(4)] == ["again", 0, 1, 2]
    assert not queue


def test_shares_are_of_units_and_not_of_turns():
    queue = filled(large=40, small=40)
    given = Counter()
    for _ in range(30):
        name, _ = queue.pop()
        units = 3.0 if name == "large" else 1.0
        queue.charge(name, units)
        given[name] += units
    assert abs(given["large"] - given["small"]) <= 3


def test_a_wrong_charge_is_set_right():
    queue = filled(a=10, b=10)
    queue.charge("a", 4)
    queue.charge("a", -4)
    assert Counter(served(queue, 4)) == {"a": 2, "b": 2}


def test_a_newcomer_does_not_get_what_it_missed():
    queue = filled(early=100)
    served(queue, 50)
    for i in range(100):
        queue.push("late", i, ahead=False)
    assert Counter(served(queue, 20)) == {"early": 10, "late": 10}


def test_turns_cannot_be_saved_up_while_nothing_waits():
    queue = filled(steady=100, idle=1)
    served(queue, 42)
    queue.push("idle", "back", ahead=False)
    queue.push("idle", "and again", ahead=False)
    assert served(queue, 4).count("idle") == 2
