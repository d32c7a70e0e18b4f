"""Algorithm 1 of arXiv 2510.18143 as one flat script without Ray: the demo's student and domain, the offline teacher.

Run it by `python examples/minimal.py [SAMPLES] [ITERATIONS]`.
"""

import asyncio
import sys
import tempfile

from peft import LoraConfig, get_peft_model
from transformers import DataCollatorForSeq2Seq, PrinterCallback, Trainer, TrainingArguments, set_seed

from pada_ray.agents.asking import Asking
from pada_ray.agents.data_generation import DataGenerationAgent
from pada_ray.agents.leak_guard import LeakGuard, redact_pattern, redact_strategy
from pada_ray.agents.pattern_analysis import PatternAnalysisAgent
from pada_ray.agents.quality_control import QualityControlAgent
from pada_ray.agents.quotas import AugmentationJob, fill_quotas, plan_groups
from pada_ray.agents.screening import Screen
from pada_ray.config import (
    DataGenerationConfig,
    EndpointConfig,
    PatternAnalysisConfig,
    QualityControlConfig,
    StudentConfig,
    TeacherSettings,
)
from pada_ray.demo.domain import splits
from pada_ray.llm.chat import Payer
from pada_ray.llm.client import GatewayLlm
from pada_ray.llm.gateway import LlmGateway
from pada_ray.records import Batch, Candidate, Failure, Sample, Seed
from pada_ray.student.chat_encoder import IGNORED, load_encoder
from pada_ray.student.evaluation import fails_all
from pada_ray.student.model import Student, load_model
from pada_ray.teacher.process import start_teacher

SEED = 0
STUDENT = StudentConfig(model="demo", max_length=512, dtype="float32")
WRITING, CONTROL = DataGenerationConfig(), QualityControlConfig()


def fine_tune(training_set: list[Sample], adapter: str) -> Student:
    """A LoRA adapter, fresh from the base model, in the folder `adapter`; the student with it."""
    set_seed(SEED)
    encoder = load_encoder(STUDENT)
    lora = LoraConfig(task_type="CAUSAL_LM", r=32, lora_alpha=32, lora_dropout=0.05, target_modules="all-linear")
    model = get_peft_model(load_model(STUDENT), lora)
    settings = {"per_device_train_batch_size": 8, "num_train_epochs": 5, "learning_rate": 4e-3, "warmup_steps": 0.05}
    quiet = {"report_to": "none", "save_strategy": "no", "logging_strategy": "no", "disable_tqdm": True}
    trainer = Trainer(
        model,
        TrainingArguments(adapter, remove_unused_columns=False, use_cpu=True, seed=SEED, **settings, **quiet),
        train_dataset=[encoder.conversation(s.messages)._asdict() for s in training_set],
        data_collator=DataCollatorForSeq2Seq(encoder.tokenizer, label_pad_token_id=IGNORED),
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    model.save_pretrained(adapter)
    return Student(STUDENT, adapter)


def failures(student: Student, samples: list[Sample]) -> list[Failure]:
    """ℰ: the samples that the student gets wrong, with its replies."""
    replies = [r.text for r in student.replies([s.prompt for s in samples], max_new_tokens=48, batch_size=64)]
    failed = fails_all(replies, samples)
    return [Failure(sample=s, reply=r) for s, r, fails in zip(samples, replies, failed, strict=True) if fails]


async def pada_agent(size: int, iterations: int, folder: str, teacher: str) -> None:
    drawn = splits(SEED, train_size=size, eval_size=size, gap="rare")
    train, val, test = ([Sample.model_validate(s) for s in drawn[split]] for split in ("train", "val", "test"))
    gateway = LlmGateway(EndpointConfig(base_url=teacher, model="offline-teacher"), f"{folder}/replies.sqlite")
    llm = GatewayLlm(gateway, Payer(run=folder), "teacher")
    asking = Asking(prompts=None, max_reasks=3, seed=SEED)
    analyst = PatternAnalysisAgent(llm, PatternAnalysisConfig(embedding="tfidf"), asking)
    writer = DataGenerationAgent(llm, WRITING, asking)
    judge = QualityControlAgent(llm, CONTROL, asking)
    guard = LeakGuard([*val, *test], train)
    screen = Screen(CONTROL, train, guard)

    async def write(batch: Batch) -> list[Candidate]:
        return screen.screen(batch, await writer.generate(batch))

    # Initial fine-tuning
    training_set = list(train)
    student = fine_tune(training_set, f"{folder}/iteration-0")
    for iteration in range(1, iterations + 1):
        # Evaluations
        train_failures, val_failures = failures(student, train), failures(student, val)
        report(iteration - 1, student, training_set, test)

        # Pattern Analysis Agent. It has seen val, so what quotes val is cut out.
        analyses = await analyst.error_analysis(val_failures[:50])
        labels = await analyst.cluster(analyses)
        clusters = {k: [a for a, of in zip(analyses, labels, strict=True) if of == k] for k in sorted(set(labels))}
        patterns = [redact_pattern(guard, p)[0] for p in await analyst.pattern_categorization(clusters)]
        drafted = [redact_strategy(guard, s)[0] for s in await analyst.strategy_drafting(patterns)]
        strategies = [s for s in drafted if s is not None]
        print(*(f"  {s.strategy_name}" for s in strategies), sep="\n")

        # Data Generation Agent, with the Quality Control Agent sending back what is poor
        errors = [Seed(sample=f.sample, wrong_reply=f.reply) for f in train_failures]
        groups = plan_groups(strategies, train, errors, total=WRITING.samples_to_add(size), error_share=0.1)
        job = AugmentationJob(
            run=folder, iteration=iteration, groups=groups, known=training_set, settings=WRITING,
            max_regenerations=CONTROL.max_regenerations, seed=SEED,
        )  # fmt: skip
        training_set += [c.sample for c in (await fill_quotas(job, write, judge.assess)).accepted if c.sample]

        # Model update
        student = fine_tune(training_set, f"{folder}/iteration-{iteration}")
    report(iterations, student, training_set, test)
    await gateway.close()


def report(iteration: int, student: Student, training_set: list[Sample], test: list[Sample]) -> None:
    right = 100 * (1 - len(failures(student, test)) / len(test))
    print(f"iteration {iteration}: {len(training_set)} training samples, {right:.1f}% of test right")


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    size, iterations = [*given, *(300, 1)[len(given) :]]
    with tempfile.TemporaryDirectory() as folder, start_teacher(TeacherSettings()) as teacher:
        asyncio.run(pada_agent(size, iterations, folder, teacher.url))
