"""Every given model, compiled for every mesh without any annotation, equals the expected outputs on every data set.

One plan runs both data sets, which differ in batch, sequence and past lengths.
"""

import unittest

import given_models

MESHES = [None, "tp=2", "tp=3", "tp=4", "dp=2", "dp=2,tp=2"]


class ModelsTest(given_models.GivenModels):
    pass


def addTest(model, mesh):
    name = "test_" + model.replace("-", "_") + "_" + (mesh or "whole").replace("=", "").replace(",", "_")
    setattr(ModelsTest, name, lambda self: self.check(model, *(["--mesh", mesh] if mesh else [])))


for model in given_models.MODELS:
    for mesh in MESHES:
        addTest(model, mesh)

if __name__ == "__main__":
    unittest.main()
