"""The config of a run. Of this project it imports only `errors`, so `run/configs.py` checks the names of methods,
datasets and backends."""

from pada_ray.config.loading import check_config, dump_config, lay_over, load_config, put, read_raw
from pada_ray.config.models import (
    CHANGEABLE,
    VLLM_LORA_RANKS,
    Budget,
    Config,
    DataConfig,
    DataGenerationConfig,
    EndpointConfig,
    ErrorShare,
    EvaluationConfig,
    FineTuneConfig,
    GradingConfig,
    PatternAnalysisConfig,
    Price,
    QualityControlConfig,
    StudentConfig,
    VllmServerConfig,
)
from pada_ray.config.teacher import TeacherSettings

__all__ = [
    "CHANGEABLE",
    "VLLM_LORA_RANKS",
    "Budget",
    "Config",
    "DataConfig",
    "DataGenerationConfig",
    "EndpointConfig",
    "ErrorShare",
    "EvaluationConfig",
    "FineTuneConfig",
    "GradingConfig",
    "PatternAnalysisConfig",
    "Price",
    "QualityControlConfig",
    "StudentConfig",
    "TeacherSettings",
    "VllmServerConfig",
    "check_config",
    "dump_config",
    "lay_over",
    "load_config",
    "put",
    "read_raw",
]
