"""What benches/loading.rhai does, with torchvision and Pillow.

python loading_torchvision.py FOLDER PASSES
"""

import sys

import torch
from torchvision import datasets, transforms

torch.set_num_threads(1)
folder, passes = sys.argv[1], int(sys.argv[2])
crops = transforms.Compose([
    transforms.RandomResizedCrop(224),
    transforms.RandomHorizontalFlip(),
    transforms.ToTensor(),
])
# Without workers: one process on one core has no pictures to send to another.
loader = torch.utils.data.DataLoader(
    datasets.ImageFolder(folder, crops), batch_size=64, shuffle=True, num_workers=0)
print(sum(len(x) for _ in range(passes) for x, _ in loader))
