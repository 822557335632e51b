"""Imports every module of the package `generated` and prints its operations, one `method path` a line."""

import importlib
import inspect
import pkgutil
import re

import generated

for module in pkgutil.walk_packages(generated.__path__, "generated."):
    module = importlib.import_module(module.name)
    if hasattr(module, "asyncio_detailed"):
        source = inspect.getsource(module._get_kwargs)
        method = re.search(r'"method": "(\w+)"', source).group(1)
        path = re.search(r'"url": "([^"]+)"', source).group(1)
        print(method, path)
