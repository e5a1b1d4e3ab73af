"""The options that belong to no model and no dataset, in the groups in which --help shows them."""
from options.preprocess import PREPROCESS
from options.schema import Group, Sides, option

FORMATS = ("auto", "as_input", "png", "tiff", "npy", "npz", "jpg", "webp", "avif", "bmp", "ppm", "gif", "nifti")


class RunOptions(Group):
    """run"""

    name: str = option("experiment_name", "name of the run: its files go to CHECKPOINTS_DIR/NAME", common=True,
                       once=True)
    model: str = option("cycle_gan", "what to train or to run; a wrong name lists them all", common=True,
                        structure=True,
                       sampling=True)
    checkpoints_dir: str = option("./checkpoints", "folder of all runs", once=True)
    suffix: str = option("", "appended to the name, with options in braces: {model}_{netG}_size{load_size}", once=True)
    gpu_ids: str = option("0", "one GPU number, or -1 for the CPU. Left out: the best device there is", once=True,
                          common=True)
    seed: int = option(0, "same seed, same numbers", common=True, least=0, most=2**63 - 1)
    verbose: bool = option(False, "print every network layer by layer", once=True)
    epoch: str = option("latest", "which saved epoch to load: a number, latest, or best (of a training with "
                        "--best_metric)", once=True, common=True)
    load_iter: int = option(0, "which saved iteration to load, if above 0: reads iter_N instead of --epoch", least=0,
                            once=True)
    use_wandb: bool = option(False, "also log to Weights & Biases (pip install wandb)", training_only=True)
    wandb_project_name: str = option("CycleGAN-and-pix2pix", "project there", training_only=True)


class DataOptions(Group):
    """data"""

    dataroot: str = option(None, "folder of the images (their layout: see README), or tar shards of them: a folder, "
                           "one, or a pattern such as 'shards/train-{000000..000099}.tar'", required=True, common=True)
    phase: str = option("train", "folder of the dataset to use: train, val, test, ...")
    dataset_mode: str = option("unaligned", "how images are found and paired; a wrong name lists them all",
                               structure=True, sampling=True)
    direction: str = option("AtoB", "which domain is translated into which", choices=("AtoB", "BtoA"), common=True,
                            structure=True, sampling=True)
    input_nc: int = option(3, "channels of an input image: 3 RGB, 1 gray, or as many as the files have", least=1,
                           structure=True)
    output_nc: int = option(3, "channels of an output image, likewise", least=1, structure=True)
    value_range: str = option(
        "auto", "which values of the files are black and white: LOW,HIGH, percentile:P,Q of all values of a side, or "
        "auto: by their type, and by the values in use where the type does not say", sampling=True)
    input_range: str = option("", "the same of input images alone, such as 0,4095 or, for files of that type only, "
                              "uint16:0,4095; a run keeps what was found in training", sampling=True)
    output_range: str = option("", "the same of output images", sampling=True)
    page: str = option("1", "which page, frame or slice is read of files with several: its number, or all, each as an "
                       "image of its own", sampling=True)
    preprocess: str = option(
        "resize_and_crop", "how an image is brought to size",
        choices=PREPROCESS, common=True, sampling=True)
    load_size: Sides = option(286, "side, or width, in pixels that images are scaled to; or H,W, as --crop_size",
                              sampling=True)
    crop_size: Sides = option(256, "side in pixels that is then cropped; or H,W, a height and a width", common=True,
                              sampling=True)
    pad: str = option("", "continue images that are smaller than the crop by their reflection, instead of refusing "
                      "them; with --preprocess crop or scale_width_and_crop", choices=("", "reflect"),
                      training_only=True)
    no_flip: bool = option(False, "do not mirror training images at random", training_only=True)
    batch_size: int = option(1, "images a step; of each process, when torchrun starts several", common=True, least=1)
    serial_batches: bool = option(False, "take images in order instead of shuffled", training_only=True)
    num_threads: int = option(4, "worker processes that load images; 0 loads in the main process", least=0)
    worker_timeout: float = option(0.0,
                                   "seconds after which workers that give no batch are an error; 0: wait for ever",
                                   least=0)
    cache: str = option(
        "none", "keep scaled images after they were first read: in memory, in a file, or on the GPU",
        choices=("none", "ram", "disk", "device"))
    shard_cache: str = option("", "folder for copies of shards from an object store or a web server, one for all runs "
                              "of a machine. Left out: in the user's cache")
    shard_cache_gb: float = option(20.0, "gigabytes that these copies may take together; those that were not used for "
                                   "longest make room", least=0)
    fast_decode: bool = option(False, "decode large JPEGs at 1/2, 1/4 or 1/8 of their size; pixels differ a little")
    skip_bad_images: bool = option(False, "leave out images that cannot be read, and say which, instead of stopping")
    max_pixels: int | float = option(178_956_970, "images with more pixels than this are refused; test.py --tile reads "
                                     "them in parts", least=1)
    max_dataset_size: int | float = option(float("inf"), "use at most this many images of each domain", least=1)
    display_winsize: int = option(256, "width in pixels of an image on the pages and in the live view", least=1)
    show_bands: str = option("", "which bands are shown of pictures that are neither gray nor RGB, counted from 1: "
                             "one, or three as red, green, blue, such as 4,3,2. Left out: the first three, of two the "
                             "first",
                             sampling=True)


class SpeedOptions(Group):
    """speed"""

    precision: str = option("auto", "arithmetic: auto is bf16 where the hardware has units for it, else fp32. "
                            "Weights are always kept in fp32", choices=("auto", "fp32", "tf32", "bf16", "fp16"))
    compile: bool = option(False, "compile the networks with torch.compile: slow first steps, faster ones after")
    plain: bool = option(False, "the textbook computation, nothing fused, merged or left out: slower, a reference to "
                         "compare with")
    autotune: str = option("auto", "on a CPU, try before the first step or translation which ways to compute are "
                           "fastest here, for 2 s a network at most, and remember it; --verbose shows the times. off: "
                           "the same ways on every machine", choices=("auto", "off"))


class TrainSpeedOptions(SpeedOptions):
    """speed"""

    cuda_graph: str = option("auto", "record a whole step on the GPU and replay it, where images have one size",
                             choices=("auto", "off"))
    grad_accum: int = option(1, "batches a step: gradients of so many are added up before the weights change", least=1)
    grad_compress: str = option("none", "how gradients travel between several processes: as they are; in 16 bits "
                                "(bf16); or, over slow networks, as products of small matrices (powersgd)",
                                choices=("none", "bf16", "powersgd"))
    checkpoint_activations: bool = option(False, "forget activations inside the generator and compute them again: "
                                          "less memory, slower steps")


class TestSpeedOptions(SpeedOptions):
    """speed"""

    precision: str = option("fp32", "arithmetic: auto is bf16 where the hardware has units for it, else fp32",
                            choices=("auto", "fp32", "tf32", "bf16", "fp16"))


class TrainRunOptions(RunOptions):
    """run"""

    continue_train: bool = option(False, "go on exactly where this run stopped, with its options; from its weights if "
                                  "it left no state", once=True, common=True)
    resume: str = option("", "go on if the run's folder holds something, else start", choices=("", "auto"), once=True)
    overwrite: bool = option(False, "start anew in a folder that holds a run, which is removed when the new one first "
                             "saves", once=True)
    init_from: str = option("", "weight file, folder of a run, or hf://USER/REPO on the Hugging Face Hub, whose "
                            "weights begin this one, as far as they fit", once=True)
    epoch_count: int = option(1, "number of the first epoch; when going on it is known", least=1, once=True)
    max_minutes: float = option(0.0, "save the state and stop after so many minutes (exit code 75); 0: never", least=0,
                                once=True)


class TrainingOptions(Group):
    """training"""

    n_epochs: int = option(100, "epochs at the initial learning rate", common=True, least=0)
    n_epochs_decay: int = option(100, "epochs in which the rate then falls to zero", common=True, least=0)
    lr: float = option(0.0002, "initial learning rate of Adam", least=0)
    beta1: float = option(0.5, "first momentum of Adam", least=0, most=0.999)
    lr_policy: str = option("linear", "how the rate falls", choices=("linear", "step", "plateau", "cosine"))
    lr_decay_iters: int = option(50, "epochs between two steps of --lr_policy step", least=1)
    ema: float = option(0.0, "also keep running means of the generators' weights, of which each step leaves this "
                        "share, such as 0.999; saved as *_net_G_ema.pth. 0: none", least=0, most=0.999999)
    on_nan: str = option("stop", "when a loss is NaN or infinite: stop, or skip that step and count", choices=("stop",
                         "skip"))
    pool_size: int = option(50, "how many earlier fakes the discriminator is shown from; 0: only the newest", least=0)


class LoggingOptions(Group):
    """logging and saving (all frequencies count images)"""

    print_freq: int = option(100, "images between two lines of losses")
    display_freq: int = option(400, "images between two updates of the live view's pictures")
    update_html_freq: int = option(1000, "images between two updates of the training page")
    save_latest_freq: int = option(5000, "images between two saves of the latest networks")
    save_epoch_freq: int = option(5, "epochs between two saves that are kept")
    save_by_iter: bool = option(False, "keep every save of --save_latest_freq under its own name, iter_N")
    no_html: bool = option(False, "write no training page")
    display_id: int = option(1, "window of the visdom live view; 0 or less: none")
    display_server: str = option("http://localhost", "address of the visdom server")
    display_port: int = option(8097, "its port")
    display_env: str = option("main", "its environment")
    display_ncols: int = option(4, "pictures a row in the live view")
    use_tensorboard: bool = option(False, "also log to CHECKPOINTS_DIR/NAME/tensorboard, for TensorBoard "
                                   "(pip install .[tensorboard])")


class ValidationOptions(Group):
    """validation on held-out images"""

    val_freq: int = option(0, "epochs between two validations; the last epoch is validated too. 0: none. --lr_policy "
                           "plateau validates each epoch", least=0)
    val_phase: str = option("val", "folder of the dataset to validate on; without val images those of test are used")
    val_metrics: str = option("", "what to measure beside the model's own metrics: names from the folder metrics/, as "
                              "psnr,ssim")
    feature_weights: str = option("", "file of the weights that fid, kid or lpips need, or the folder that holds it; "
                                  "left out: the user's cache")
    val_samples: int = option(4, "how many of the held-out images the training page shows over the epochs, the same "
                              "from the first epoch to the last", least=0)
    best_metric: str = option("", "the metric whose best epoch is kept, for --epoch best; --lr_policy plateau and "
                              "--early_stop follow it. Left out: they follow the model's first, and none is kept")
    early_stop: int = option(0, "end the training after so many validations without a better one; 0: never", least=0)


class TestRunOptions(RunOptions):
    """run"""

    model: str = option("test", "what to run: the model that was trained, or test: one generator on any folder",
                        common=True,
                       structure=True, sampling=True)
    weights: str = option("raw", "which weights to load: raw, or ema, the running means of a training with --ema",
                          choices=("raw", "ema"), once=True)
    results_dir: str = option("./results/", "folder of all result pages")
    overwrite: bool = option(False, "replace results of another --dataroot, --model or --direction, which lie where "
                             "the new ones go; in a folder of --output also those of other weights or options",
                             once=True)
    num_test: int = option(50, "how many images to translate at most", common=True, least=1)
    eval: bool = option(False, "freeze dropout and use the trained statistics of batch norm", sampling=True)
    aspect_ratio: float = option(1.0, "stretch saved images to this width over height, 0.01 to 100", least=0.01,
                                 most=100)
    save: str = option("", "which pictures are written and shown, with commas between, such as fake_B,real_A; a wrong "
                       "name lists them. Left out: all")
    format: str = option("auto", "also write results with their own values, to values/: as files of this format, or "
                         "as_input, of the input's. auto: as_input, but nothing beside gray and RGB of 8 bits",
                         choices=FORMATS)


class TestDataOptions(DataOptions):
    """data"""

    phase: str = option("test", "folder of the dataset to use: train, val, test, ...", common=True)
    load_size: Sides = option(256, "side, or width, in pixels that images are scaled to; or H,W. Left out: as "
                              "--crop_size", sampling=True)
    keep_size: bool = option(False, "translate images at their own size: padded by reflection to what the network "
                             "accepts, and the results cropped back. Left out: true with --preprocess none, where "
                             "false resizes them to what the network accepts")


class TrainCommandOptions(TrainRunOptions, DataOptions, TrainingOptions, TrainSpeedOptions, LoggingOptions,
                          ValidationOptions):
    """train.py"""


class TestCommandOptions(TestRunOptions, TestDataOptions, TestSpeedOptions):
    """test.py"""


class SampleOptions(Group):
    """samples"""

    samples: int = option(1, "translations of each input, with another dropout noise each; from 2 on also a map of how "
                          "far they differ, fake_B_std", least=1)


class TileOptions(Group):
    """pictures larger than memory"""

    tile: str = option("", "translate pictures of any size tile by tile, at their own size, from disk to disk: auto, "
                       "or the side of a tile in pixels. --max_pixels does not concern them. A killed test goes on "
                       "when the same line is given again", once=True, common=True)
    tile_norm: str = option("exact", "the statistics that norms use in tiles: exact, those of the whole picture, in "
                            "several passes; thumbnail, those of the picture made small; local, each tile's own. The "
                            "last two take one pass; thumbnail shifts colours, local leaves seams",
                            choices=("exact", "thumbnail", "local"), once=True)
    dry_run: bool = option(False, "with --tile: print the plan (tiles, passes, memory, disk, time) and do nothing else",
                           once=True)


class OutputOptions(Group):
    """one file, one line"""

    output: str = option("", "where the translations go instead of a results page: a file for a file, a folder for a "
                         "folder, shards or a glob in quotes, which keeps its tree and names, or - for standard output "
                         "(and --dataroot - for standard input). Videos and animated pictures go frame by frame. "
                         "Another file of that name is replaced, the input never. Of a folder what is done is not done "
                         "again, and torchrun shares it among processes", once=True, common=True)
    output_shards: int = option(0, "with --output FOLDER: write tar shards there, in the WebDataset format, of at most "
                                "so many images, each of one input shard and called like it, or of the folder and "
                                "called like that", least=0, once=True)
    page_samples: int = option(0, "with --output FOLDER: show so many of the pictures, from all over them, on a page "
                               "there, index.html", least=0, once=True)


def validated_every(opt: TrainCommandOptions) -> int:
    """How many epochs lie between two validations; 0: there are none."""
    return 1 if opt.lr_policy == "plateau" else opt.val_freq
